"""What Slack posts when somebody presses a button, and how it signs it."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Place:
    """Where a button was pressed."""

    team: str
    channel: str
    message_ts: str
    response_url: str


@dataclass(frozen=True, slots=True)
class Press:
    """Which button was pressed, and when."""

    action_id: str
    value: str
    action_ts: str


def block_actions(place: Place, user: str, press: Press, name: str | None = None) -> dict[str, Any]:
    """A `block_actions` payload.

    Args:
        place: where the button is.
        user: who pressed it: an id.
        press: which button.
        name: what the user is called; like the id unless given.
    """
    name = user if name is None else name
    action = {
        "action_id": press.action_id,
        "block_id": "leakline",
        "type": "button",
        "text": {"type": "plain_text", "text": press.action_id},
        "value": press.value,
        "action_ts": press.action_ts,
    }
    return {
        "type": "block_actions",
        "user": {"id": user, "username": name, "name": name, "team_id": place.team},
        "api_app_id": "A111",
        "token": "verification-token",
        "container": {
            "type": "message",
            "message_ts": place.message_ts,
            "channel_id": place.channel,
            "is_ephemeral": False,
        },
        "trigger_id": "111.222.trigger-secret",
        "team": {"id": place.team, "domain": "fake"},
        "channel": {"id": place.channel, "name": "on-call"},
        "response_url": place.response_url,
        "actions": [action],
    }


def signed_form(payload: dict[str, Any], secret: str, at: int) -> tuple[bytes, dict[str, str]]:
    """A form body and its headers, signed at a time in Unix seconds."""
    body = urlencode({"payload": json.dumps(payload)}).encode()
    digest = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": str(at),
        "x-slack-signature": f"v0={digest}",
    }
    return body, headers
