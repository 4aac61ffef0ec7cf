"""Slack's Web API, as much of it as pages need, and what its errors mean to them."""

from typing import Any, Protocol

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from pipeline.notify.kit import Card
from pipeline.notify.slack_client import UNREACHABLE, code_of, header
from pipeline.outgoing.http import retry_after

LOOK_BACK_SECONDS = 900.0
"""Slack's clock may differ from ours."""
HISTORY_PAGES_MAX = 20
HISTORY_LIMIT = 200

_REFUSED = frozenset(
    {
        "invalid_attachments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "metadata_too_large",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
    }
)
_GONE = frozenset(
    {"cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found"}
)
_TRANSIENT = frozenset(
    {"fatal_error", "internal_error", "ratelimited", "rate_limited", "request_timeout"}
    | {"service_unavailable"}
)
_UNSEARCHABLE = frozenset({"missing_scope", "unknown_method", "not_in_channel"})


class SlackDownError(Exception):
    """Slack cannot be reached, or takes nothing from us now. A post may have arrived."""

    def __init__(
        self, reason: str, retry_after_seconds: float | None = None, *, lasting: bool = False
    ) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
        self.lasting = lasting
        """Slack answered, and will answer the same until somebody changes something there."""


class MessageRefusedError(Exception):
    """Slack will never take this message as it is."""


class MessageGoneError(Exception):
    """The message is no longer there to be changed."""


class Messenger(Protocol):
    """Somewhere with channels, messages and threads. All of it raises the errors above."""

    async def post(self, channel: str, card: Card, thread_ts: str | None = None) -> str:
        """Post a message, and give its id."""

    async def update(self, channel: str, ts: str, card: Card) -> None:
        """Change a message."""

    async def remove(self, channel: str, ts: str) -> None:
        """Remove a message; one that is gone already is fine."""

    async def find(
        self, channel: str, card: Card, since: float, thread_ts: str | None = None
    ) -> str | None:
        """The id of the message of this kind and incident, posted since (Unix seconds)."""

    async def whisper(self, channel: str, user: str, text: str) -> None:
        """Tell one person in a channel."""


class SlackMessenger:
    """Pages through Slack's Web API."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    async def post(self, channel: str, card: Card, thread_ts: str | None = None) -> str:
        """Post a message, in a thread when given; an alarm is shown outside of it, too."""
        body = _body(channel, card) | {"unfurl_links": False, "unfurl_media": False}
        if thread_ts is not None:
            body["thread_ts"] = thread_ts
            body["reply_broadcast"] = bool(card.occasion)
        answer = await self._call("chat.postMessage", body)
        return str(answer["ts"])

    async def update(self, channel: str, ts: str, card: Card) -> None:
        """Change a message in place."""
        await self._call("chat.update", _body(channel, card) | {"ts": ts})

    async def remove(self, channel: str, ts: str) -> None:
        """Remove a message."""
        try:
            await self._call("chat.delete", {"channel": channel, "ts": ts})
        except MessageGoneError:
            return

    async def find(
        self, channel: str, card: Card, since: float, thread_ts: str | None = None
    ) -> str | None:
        """Look through the channel, or the thread, for our metadata.

        A token that may not read the channel finds nothing: then a message may come twice, which
        is better than none; `check-config` reports the missing scope.
        """
        params: dict[str, Any] = {
            "channel": channel,
            "limit": HISTORY_LIMIT,
            "include_all_metadata": "true",
            "oldest": f"{since - LOOK_BACK_SECONDS:.6f}",
        }
        method = "conversations.history"
        if thread_ts is not None:
            method, params["ts"] = "conversations.replies", thread_ts
        for _ in range(HISTORY_PAGES_MAX):
            answer = await self._search(method, params)
            for message in answer.get("messages") or []:
                if _same(message.get("metadata"), card):
                    return str(message["ts"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
            params["cursor"] = cursor
        return None

    async def whisper(self, channel: str, user: str, text: str) -> None:
        """Answer one person."""
        await self._call("chat.postEphemeral", {"channel": channel, "user": user, "text": text})

    async def _search(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._call(method, params, verb="GET")
        except SlackDownError as error:
            if str(error) in _UNSEARCHABLE:
                return {}
            raise
        except MessageGoneError:
            return {}

    async def _call(self, method: str, body: dict[str, Any], verb: str = "POST") -> dict[str, Any]:
        """Call a method; errors carry Slack's code and nothing of the request."""
        try:
            if verb == "GET":
                answer = await self._client.api_call(method, http_verb="GET", params=body)
            else:
                answer = await self._client.api_call(method, json=body)
        except SlackApiError as error:
            raise _meaning(error) from None
        except UNREACHABLE as error:
            raise SlackDownError(type(error).__name__) from None
        return answer.data if isinstance(answer.data, dict) else {}


def _same(metadata: object, card: Card) -> bool:
    """Whether a message's metadata is that of a card."""
    if not isinstance(metadata, dict) or metadata.get("event_type") != card.event_type:
        return False
    payload = metadata.get("event_payload") or {}
    about = (payload.get("incident_id"), payload.get("occasion", ""))
    return bool(about == (card.incident_id, card.occasion))


def _body(channel: str, card: Card) -> dict[str, Any]:
    """The fields of a message. Empty ones are sent, so that an update removes what was there."""
    return {
        "channel": channel,
        "text": card.text,
        "blocks": card.blocks or [],
        "attachments": card.attachments or [],
        "metadata": card.metadata,
    }


def _meaning(error: SlackApiError) -> Exception:
    """What an error answer means for the message."""
    code = code_of(error)
    if code in _REFUSED:
        return MessageRefusedError(code)
    if code in _GONE:
        return MessageGoneError(code)
    response = error.response
    lasting = getattr(response, "status_code", 0) == 200 and code not in _TRANSIENT
    wait = retry_after(header(getattr(response, "headers", None), "retry-after"))
    return SlackDownError(code, wait, lasting=lasting)
