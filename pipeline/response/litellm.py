"""LiteLLM's proxy: keys are blocked and unblocked by their hash, never by the key itself."""

import json
import re
from typing import Literal

from pipeline.config import Gateway
from pipeline.outgoing.http import Answer, ForbiddenAddressError, Request, UnreachableError, send
from pipeline.response.gateway import Sent, as_sent, networks
from schemas.action import Action

_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_PATHS = {"revoke": "/key/block", "restore": "/key/unblock"}


class LiteLLMGateway:
    """Calls the proxy's key management with an admin key. Both calls may be repeated."""

    has_probe = True

    def __init__(self, gateway: Gateway) -> None:
        self.name, self.attempts_max = gateway.name, gateway.attempts_max
        self._gateway = gateway
        self._base = gateway.url.rstrip("/")
        self._allowed = networks(gateway)

    def objection(self, action: Action) -> str | None:
        """LiteLLM knows blocking alone, and keys by their SHA-256 alone."""
        if action.kind not in _PATHS:
            return f"LiteLLM cannot {action.kind} a key"
        if _HASH.fullmatch(action.key_id) is None:
            return "LiteLLM knows keys by their SHA-256, and this key_id is none"
        return None

    async def act(self, action: Action, now: float) -> Sent:
        """Block or unblock the key once."""
        del now
        body = json.dumps({"key": _hash(action.key_id)}).encode()
        try:
            answer = await self._call("POST", _PATHS[action.kind], action, body)
        except (UnreachableError, ForbiddenAddressError) as error:
            return as_sent(error)
        if answer.status == 404:
            return Sent("refused", "the gateway does not know the key", 404)
        return as_sent(answer)

    async def works(self, action: Action, now: float) -> bool | None:
        """Whether the proxy says that the key is not blocked."""
        del now
        path = f"/key/info?key={_hash(action.key_id)}"
        try:
            return _unblocked(await self._call("GET", path, action, None))
        except (UnreachableError, ForbiddenAddressError):
            return None

    async def _call(
        self, method: Literal["GET", "POST"], path: str, action: Action, body: bytes | None
    ) -> Answer:
        headers = {
            "authorization": f"Bearer {self._gateway.secret.get_secret_value()}",
            "content-type": "application/json",
            "litellm-changed-by": "leakline",
            "idempotency-key": action.action_id,
        }
        return await send(
            Request(method, self._base + path, headers, body),
            timeout_seconds=self._gateway.timeout_seconds,
            allowed=self._allowed,
        )


def _hash(key_id: str) -> str:
    return key_id.removeprefix("sha256:")


def _unblocked(answer: Answer) -> bool | None:
    """LiteLLM leaves `blocked` null on a key that never was."""
    if answer.status != 200:
        return None
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    info = body.get("info", body) if isinstance(body, dict) else None
    if not isinstance(info, dict) or "blocked" not in info:
        return None
    return info["blocked"] is not True
