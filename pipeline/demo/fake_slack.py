"""A Slack: as much of its Web API, interactions and Socket Mode as a pager meets.

It checks the token, signs clicks as Slack does, and can be told to misbehave.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
from aiohttp import web

from pipeline.demo.listening import listen
from pipeline.demo.slack_conversations import Conversations, SlackMessage
from pipeline.demo.slack_interactions import Place, Press, block_actions, signed_form

Fault = Literal["429", "500", "503", "internal_error", "time-out", "cut", "cut-before"]
"""`time-out` and `cut` come after the call was applied: the answer is late, or never comes."""


@dataclass
class FakeSlack:
    """Start it, point a client's `base_url` at `api_url`, and read what it was sent."""

    token: str = "xoxb-fake-token"  # noqa: S105  # a stand-in's
    app_token: str = "xapp-fake-token"  # noqa: S105  # a stand-in's
    signing_secret: str = "8f742231b10e8888abcd99yyyzzz85a5"  # noqa: S105  # Slack's own example
    team: str = "T111"
    names: dict[str, str] = field(default_factory=dict)
    """What users are called, by their ids."""
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    """Method (or `*`) and fault; the first that fits a call is taken."""
    down: bool = False
    """Every call is answered 503 while this is set."""
    retry_after_seconds: int = 0
    """In answers 429."""
    now: Callable[[], float] = time.time
    webhook_keys: list[str | None] = field(default_factory=list)
    """`Idempotency-Key` of each call of the fallback webhook."""
    webhook: list[dict[str, Any]] = field(default_factory=list)
    """What came to the incoming webhook, `/webhook`."""
    calls: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a Socket Mode client listens."""
    acknowledged: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """Envelopes that a Socket Mode client acknowledged."""
    url: str = ""
    _runner: web.AppRunner | None = None
    _sockets: list[web.WebSocketResponse] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self.conversations = Conversations(self.now)

    @property
    def messages(self) -> list[SlackMessage]:
        """Everything that was posted and not deleted, oldest first."""
        return self.conversations.messages

    @property
    def whispers(self) -> list[dict[str, Any]]:
        """What was said to one person alone."""
        return self.conversations.whispers

    @property
    def api_url(self) -> str:
        """For `slack.base_url`."""
        return f"{self.url}/api/"

    @property
    def pages(self) -> list[SlackMessage]:
        """Messages outside of threads."""
        return [message for message in self.messages if message.thread_ts is None]

    async def start(self, port: int = 0) -> None:
        """Listen on this machine."""
        routes = [
            web.route("*", "/api/{method}", self._api),
            web.post("/webhook", self._incoming_webhook),
            web.get("/socket", self._socket),
        ]
        self._runner, self.url = await listen(routes, port)

    async def stop(self) -> None:
        """Stop listening."""
        for socket in self._sockets:
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def interaction(
        self, message: SlackMessage, action_id: str, user: str, value: str | None = None
    ) -> dict[str, Any]:
        """What Slack sends when a person presses a button of a message.

        Raises:
            KeyError: the message has no such button, and no value was given.
        """
        self._count += 1
        pressed = message.buttons[action_id]["value"] if value is None else value
        action_ts = f"{self.now():.6f}{self._count}"
        place = Place(self.team, message.channel, message.ts, f"{self.url}/response/secret")
        press = Press(action_id, pressed, action_ts)
        return block_actions(place, user, press, self.names.get(user))

    def signed(self, payload: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        """An interaction's body and headers, as Slack would post them."""
        return signed_form(payload, self.signing_secret, int(self.now()))

    async def click(self, message: SlackMessage, action_id: str, user: str, url: str) -> int:
        """Press a button: post the signed interaction to a URL, and give the HTTP status."""
        body, headers = self.signed(self.interaction(message, action_id, user))
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=headers) as response,
        ):
            return response.status

    async def click_by_socket(self, message: SlackMessage, action_id: str, user: str) -> None:
        """Press a button, and tell it to every Socket Mode client; the demo itself takes HTTP."""
        self._count += 1
        envelope = {
            "type": "interactive",
            "envelope_id": f"envelope-{self._count}",
            "accepts_response_payload": True,
            "payload": self.interaction(message, action_id, user),
        }
        for socket in self._sockets:
            await socket.send_json(envelope)

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.calls.append(method)
        fault = self._fault(method)
        early = self._early(fault, request)
        if early is not None:
            return early
        expected = self.app_token if method == "apps.connections.open" else self.token
        if request.headers.get("Authorization") != f"Bearer {expected}":
            self.rejected.append("invalid_auth")
            return _error("invalid_auth")
        answer = self._apply(method, await _arguments(request))
        if fault == "time-out":
            await asyncio.sleep(3600)
        if fault == "cut" and request.transport is not None:
            request.transport.abort()
        if not answer["ok"]:
            self.rejected.append(answer["error"])
        headers = {"X-OAuth-Scopes": "chat:write,channels:history"}
        return web.json_response(answer, headers=headers)

    def _fault(self, method: str) -> Fault | None:
        for position, (name, fault) in enumerate(self.faults):
            if name in {method, "*"}:
                del self.faults[position]
                return fault
        return "503" if self.down else None

    def _early(self, fault: Fault | None, request: web.Request) -> web.Response | None:
        """Faults that come before anything is applied."""
        if fault == "429":
            headers = {"Retry-After": str(self.retry_after_seconds)}
            body = {"ok": False, "error": "ratelimited"}
            return web.json_response(body, status=429, headers=headers)
        if fault in {"500", "503"}:
            return web.Response(status=int(fault), text="<html>", content_type="text/html")
        if fault == "cut-before" and request.transport is not None:
            request.transport.abort()
        return _error("internal_error") if fault in {"internal_error", "cut-before"} else None

    def _apply(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        kept = self.conversations
        methods: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "chat.postMessage": kept.post,
            "chat.update": kept.update,
            "chat.delete": kept.delete,
            "chat.postEphemeral": kept.whisper,
            "conversations.history": kept.history,
            "conversations.replies": kept.history,
            "auth.test": lambda _: {"ok": True, "team_id": self.team, "user_id": "U0BOT"},
            "apps.connections.open": lambda _: {"ok": True, "url": f"ws{self.url[4:]}/socket"},
        }
        if method not in methods:
            return {"ok": False, "error": "unknown_method"}
        return methods[method](arguments)

    async def _incoming_webhook(self, request: web.Request) -> web.Response:
        if any(method == "webhook" for method, _ in self.faults):
            return web.Response(status=int(self._fault("webhook") or 500))
        self.webhook_keys.append(request.headers.get("Idempotency-Key"))
        self.webhook.append(await request.json())
        return web.Response(text="ok")

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1})
        self._sockets.append(socket)
        self.connected.set()
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self.acknowledged.put_nowait(json.loads(frame.data)["envelope_id"])
        return socket


async def _arguments(request: web.Request) -> dict[str, Any]:
    """A call's arguments, from the address, a form or JSON."""
    arguments: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        arguments |= await request.json()
    elif request.method == "POST":
        form = await request.post()
        arguments |= {name: _maybe_json(name, value) for name, value in form.items()}
    return arguments


def _maybe_json(name: str, value: object) -> object:
    structured = name in {"blocks", "attachments", "metadata"} and isinstance(value, str)
    return json.loads(str(value)) if structured else value


def _error(code: str) -> web.Response:
    return web.json_response({"ok": False, "error": code})
