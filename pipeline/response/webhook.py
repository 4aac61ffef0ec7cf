"""Any gateway that takes Standard Webhooks: a signed POST per action, and a signed question.

The `webhook-id` is the action's id, the same on every retry, so that the receiver can tell a
repetition. Timestamp and signature are fresh each time.
"""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from pipeline.config import Gateway
from pipeline.outgoing.http import Answer, ForbiddenAddressError, Request, UnreachableError, send
from pipeline.response.gateway import Sent, as_sent, networks
from schemas.action import Action

SECRET_BYTES_MIN = 24
REASON_LENGTH_MAX = 500


def signing_key(gateway: Gateway) -> bytes:
    """The bytes that a gateway's webhooks are signed with.

    Raises:
        ValueError: the secret is not `whsec_` and base64 of at least 24 bytes.
    """
    text = gateway.secret.get_secret_value().removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < SECRET_BYTES_MIN:
        raise ValueError(
            f"gateway {gateway.name}: secret must be whsec_ and base64 of at least "
            f"{SECRET_BYTES_MIN} bytes"
        )
    return key


class WebhookGateway:
    """Sends `key.revoke` and its like, and asks `key.status` when there is a probe address."""

    def __init__(self, gateway: Gateway) -> None:
        self.name, self.attempts_max = gateway.name, gateway.attempts_max
        self.has_probe = gateway.probe_url is not None
        self._gateway = gateway
        self._signer = Webhook(signing_key(gateway))
        self._allowed = networks(gateway)

    def objection(self, action: Action) -> str | None:
        """None: the receiver decides which kinds it obeys."""
        del action
        return None

    async def act(self, action: Action, now: float) -> Sent:
        """Send the action once."""
        body = _body(f"key.{action.kind}", action, now)
        try:
            return as_sent(await self._post(self._gateway.url, action.action_id, body, now))
        except (UnreachableError, ForbiddenAddressError) as error:
            return as_sent(error)

    async def works(self, action: Action, now: float) -> bool | None:
        """Ask whether the key still works: `{"active": false}` says that it does not."""
        if self._gateway.probe_url is None:
            return None
        body = _body("key.status", action, now)
        message_id = f"{action.action_id}_status_{int(now)}"
        try:
            answer = await self._post(self._gateway.probe_url, message_id, body, now)
        except (UnreachableError, ForbiddenAddressError):
            return None
        return _active(answer)

    async def _post(self, url: str, message_id: str, body: str, now: float) -> Answer:
        moment = datetime.fromtimestamp(now, UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": self._signer.sign(message_id, moment, body),
        }
        return await send(
            Request("POST", url, headers, body.encode()),
            timeout_seconds=self._gateway.timeout_seconds,
            allowed=self._allowed,
        )


def _body(event_type: str, action: Action, now: float) -> str:
    """The JSON of a webhook. Every field is bounded: the standard asks for less than 20 kB."""
    # Who pressed the button is no concern of the gateway's; its log would keep it.
    by = "a person" if action.by_person else action.requested_by
    data: dict[str, Any] = {
        "action_id": action.action_id,
        "key_id": action.key_id,
        "kind": action.kind,
        "incident_id": action.incident_id,
        "reason": f"requested by {by}"[:REASON_LENGTH_MAX],
    }
    moment = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"type": event_type, "timestamp": moment, "data": data})


def _active(answer: Answer) -> bool | None:
    if answer.status != 200:
        return None
    try:
        active = json.loads(answer.body)["active"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return active if isinstance(active, bool) else None
