"""Whether a request comes from Slack, and what is kept of it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from pydantic import SecretStr
from slack_sdk.signature import Clock, SignatureVerifier

_KEPT: dict[str, tuple[str, ...]] = {
    "user": ("id", "team_id", "name", "username"),
    "team": ("id",),
    "channel": ("id",),
    "container": ("message_ts", "channel_id", "thread_ts"),
}
_ACTION_FIELDS = ("action_id", "block_id", "value", "action_ts", "type")
ACTIONS_MAX = 10

ClickSink = Callable[[str, bytes], Awaitable[None]]
"""Appends (incident id, what is kept of the interaction, as JSON) to `slack-clicks`; returns when
it is durable."""


class _At(Clock):
    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now


def verify_slack_signature(
    body: bytes, headers: Mapping[str, str], signing_secret: SecretStr | str, now: float
) -> bool:
    """Whether Slack signed this raw body within five minutes of `now` (Unix seconds).

    Headers may be in any case; anything malformed is simply not signed.
    """
    secret = signing_secret
    plain = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    try:
        return SignatureVerifier(plain, _At(now)).is_valid_request(body, dict(headers))
    except (ValueError, TypeError, OverflowError):
        # a timestamp that is no number, or of 300 digits, a body that is not UTF-8, a signature
        # that is not ASCII
        return False


def interaction_from_request(body: bytes) -> dict[str, Any]:
    """The interaction in a verified request's form body, without tokens and trigger ids.

    Raises:
        ValueError: the body is no interaction.
    """
    try:
        fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)
        payload = json.loads(fields["payload"][0])
    except (ValueError, KeyError, RecursionError):
        raise ValueError("the body is no Slack interaction") from None
    return interaction(payload)


def interaction(payload: object) -> dict[str, Any]:
    """What is needed of an interaction, and nothing that a holder could use at Slack.

    Raises:
        ValueError: it is no object.
    """
    if not isinstance(payload, dict):
        raise ValueError("the body is no Slack interaction")  # noqa: TRY004  # callers know one error
    kept: dict[str, Any] = {"type": payload.get("type")}
    for name, fields in _KEPT.items():
        kept[name] = _fields(payload.get(name), fields)
    actions = payload.get("actions")
    listed = actions[:ACTIONS_MAX] if isinstance(actions, list) else []
    kept["actions"] = [_fields(action, _ACTION_FIELDS) for action in listed]
    return kept


def _fields(value: object, names: tuple[str, ...]) -> dict[str, str]:
    """The text fields of an object, without half a surrogate pair, which no UTF-8 has."""
    if not isinstance(value, dict):
        return {}
    texts = {name: value[name] for name in names if isinstance(value.get(name), str)}
    return {name: text.encode(errors="replace").decode() for name, text in texts.items()}
