"""The messages of a workspace, and the calls of the Web API that write and read them.

A call's arguments come as Slack's documentation names them; what is answered is the JSON of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipeline.demo.block_kit import refuses


@dataclass
class SlackMessage:
    """A message as it stands now."""

    channel: str
    ts: str
    body: dict[str, Any]
    thread_ts: str | None = None
    updates: int = 0

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """Buttons by their action id."""
        blocks: list[dict[str, Any]] = self.body.get("blocks") or []
        return {
            element["action_id"]: element
            for block in blocks
            if block["type"] == "actions"
            for element in block["elements"]
        }


@dataclass
class Conversations:
    """Keeps messages, and refuses what Block Kit refuses."""

    now: Callable[[], float]
    messages: list[SlackMessage] = field(default_factory=list)
    whispers: list[dict[str, Any]] = field(default_factory=list)
    _count: int = 0

    def post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`chat.postMessage`."""
        problem = refuses(arguments)
        if problem is not None:
            return {"ok": False, "error": problem}
        thread_ts = arguments.get("thread_ts")
        if thread_ts is not None and self._find(arguments["channel"], thread_ts) is None:
            return {"ok": False, "error": "thread_not_found"}
        message = SlackMessage(arguments["channel"], self._ts(), arguments, thread_ts)
        self.messages.append(message)
        return {"ok": True, "channel": message.channel, "ts": message.ts, "message": arguments}

    def update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`chat.update`."""
        message = self._find(arguments["channel"], arguments.get("ts"))
        if message is None:
            return {"ok": False, "error": "message_not_found"}
        problem = refuses(arguments)
        if problem is not None:
            return {"ok": False, "error": problem}
        message.body |= arguments
        message.updates += 1
        return {"ok": True, "channel": message.channel, "ts": message.ts}

    def delete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`chat.delete`."""
        message = self._find(arguments["channel"], arguments.get("ts"))
        if message is None:
            return {"ok": False, "error": "message_not_found"}
        self.messages.remove(message)
        return {"ok": True, "channel": message.channel, "ts": message.ts}

    def _find(self, channel: str, ts: str | None) -> SlackMessage | None:
        found = (each for each in self.messages if (each.channel, each.ts) == (channel, ts))
        return next(found, None)

    def history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`conversations.history`: newest first, in pages; metadata only where it is asked for."""
        parent = arguments.get("ts")
        found = [
            message
            for message in reversed(self.messages)
            if message.channel == arguments["channel"]
            and (
                parent in {message.thread_ts, message.ts} or (not parent and _is_broadcast(message))
            )
            and float(message.ts) >= float(arguments.get("oldest", 0))
        ]
        start, limit = int(arguments.get("cursor") or 0), int(arguments.get("limit", 100))
        with_metadata = str(arguments.get("include_all_metadata", "")).lower() in {"1", "true"}
        shown = [_shown(message, with_metadata) for message in found[start : start + limit]]
        more = start + limit < len(found)
        cursor = {"next_cursor": str(start + limit) if more else ""}
        return {"ok": True, "messages": shown, "has_more": more, "response_metadata": cursor}

    def whisper(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`chat.postEphemeral`."""
        self.whispers.append(arguments)
        return {"ok": True, "message_ts": self._ts()}

    def _ts(self) -> str:
        """An id that grows, and says when."""
        self._count += 1
        return f"{int(self.now())}.{self._count:06d}"


def _is_broadcast(message: SlackMessage) -> bool:
    """A reply that the channel shows as well."""
    return bool(message.body.get("reply_broadcast"))


def _shown(message: SlackMessage, with_metadata: bool) -> dict[str, Any]:  # noqa: FBT001  # private
    shown = {"type": "message", "ts": message.ts, "text": message.body.get("text", "")}
    if with_metadata and "metadata" in message.body:
        shown["metadata"] = message.body["metadata"]
    return shown
