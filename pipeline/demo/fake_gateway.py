"""A gateway that obeys: Standard Webhooks on one side, LiteLLM's key management on the other.

It verifies with the `standardwebhooks` library, remembers ids, and can be told to misbehave.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from pipeline.demo.listening import listen

Fault = Literal["500", "503", "404", "429", "time-out", "cut", "cut-before"]
"""`time-out` and `cut` come after acting: the answer is late, or the connection breaks."""


@dataclass
class FakeGateway:
    """Start it, and read what it was told."""

    secret: str
    """`whsec_…` for webhooks, and the admin key for LiteLLM's calls."""
    admin_key: str = "sk-admin"
    keys: set[str] | None = None
    """Keys that LiteLLM's side knows; None: every one."""
    obeys: bool = True
    """Off: it accepts, and does nothing."""
    faults: list[Fault] = field(default_factory=list)
    """One is taken for each action that comes in, while there are any."""
    probe_faults: list[Fault] = field(default_factory=list)
    """The same for each question whether a key works."""
    revoked: set[str] = field(default_factory=set)
    effective: Counter[str] = field(default_factory=Counter)
    """By webhook-id: how often it changed something. Never above 1."""
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Webhook-id and body of every action that was verified, repetitions included."""
    rejected: list[str] = field(default_factory=list)
    """Why requests were turned away."""
    url: str = ""
    """Base address, once started; the webhook is at `/webhook`, the probe at `/status`."""
    _runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on this machine."""
        routes = [
            web.post("/webhook", self._webhook),
            web.post("/status", self._status),
            web.post("/key/block", self._block),
            web.post("/key/unblock", self._unblock),
            web.get("/key/info", self._info),
        ]
        self._runner, self.url = await listen(routes, port)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _webhook(self, request: web.Request) -> web.Response:
        event = await self._verified(request)
        if event is None:
            return web.json_response({"error": "invalid signature"}, status=401)
        fault = self.faults.pop(0) if self.faults else None
        early = await _before(fault, request)
        if early is not None:
            return early
        message_id = request.headers["webhook-id"]
        self.received.append((message_id, event))
        self._obey(message_id, str(event["type"]), str(event["data"]["key_id"]))
        return await _after(fault, request) or web.json_response({"ok": True})

    async def _status(self, request: web.Request) -> web.Response:
        event = await self._verified(request)
        if event is None:
            return web.json_response({"error": "invalid signature"}, status=401)
        active = event["data"]["key_id"] not in self.revoked
        return await self._told(request, {"active": active})

    async def _verified(self, request: web.Request) -> dict[str, Any] | None:
        """The body of a request whose signature is right."""
        raw = await request.read()
        try:
            event = Webhook(self.secret).verify(raw, dict(request.headers))
        except (WebhookVerificationError, ValueError) as error:
            self.rejected.append(str(error))
            return None
        return event if isinstance(event, dict) else None

    def _obey(self, message_id: str, kind: str, key_id: str) -> None:
        """Act once for an id."""
        if not self.obeys or self.effective[message_id]:
            return
        self.effective[message_id] += 1
        if kind == "key.revoke":
            self.revoked.add(key_id)
        elif kind == "key.restore":
            self.revoked.discard(key_id)

    async def _block(self, request: web.Request) -> web.Response:
        return await self._set_blocked(request, "key.revoke")

    async def _unblock(self, request: web.Request) -> web.Response:
        return await self._set_blocked(request, "key.restore")

    async def _set_blocked(self, request: web.Request, kind: str) -> web.Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        body = json.loads(await request.read())
        key = str(body["key"])
        if self.keys is not None and key not in self.keys:
            return _proxy_error(404, "Key not found.")
        fault = self.faults.pop(0) if self.faults else None
        early = await _before(fault, request)
        if early is not None:
            return early
        message_id = f"{kind}:{key}"
        self.received.append((message_id, body))
        self._obey(message_id, kind, key)
        answer = web.json_response({"token": key, "blocked": key in self.revoked, "spend": 0.0})
        return await _after(fault, request) or answer

    async def _info(self, request: web.Request) -> web.Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        key = request.query["key"]
        blocked = True if key in self.revoked else None
        info = {"key_alias": "demo", "blocked": blocked}
        return await self._told(request, {"key": key, "info": info})

    async def _told(self, request: web.Request, state: dict[str, Any]) -> web.Response:
        """The answer to a probe."""
        fault = self.probe_faults.pop(0) if self.probe_faults else None
        early = await _before(fault, request) or await _after(fault, request)
        return early or web.json_response(state)

    def _refused(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") == f"Bearer {self.admin_key}":
            return None
        self.rejected.append("not the admin key")
        return _proxy_error(401, "Authentication Error")


def _proxy_error(status: int, message: str) -> web.Response:
    """An error as LiteLLM's proxy words it."""
    error = {"message": message, "type": "invalid_request_error", "param": "key", "code": status}
    return web.json_response({"error": error}, status=status)


async def _before(fault: Fault | None, request: web.Request) -> web.Response | None:
    """Faults that come before anything is done."""
    if fault == "cut-before" and request.transport is not None:
        request.transport.abort()
    if fault == "429":
        return web.Response(status=429, headers={"Retry-After": "40"})
    if fault in {"500", "503", "404", "cut-before"}:
        return web.Response(status=500 if fault == "cut-before" else int(fault))
    return None


async def _after(fault: Fault | None, request: web.Request) -> web.Response | None:
    """Faults that come after everything was done."""
    if fault == "time-out":
        await asyncio.sleep(3600)
    if fault == "cut" and request.transport is not None:
        request.transport.abort()
    return None
