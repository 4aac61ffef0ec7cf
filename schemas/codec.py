"""Decoding of usage events, with a reason for each refusal."""

import json
import math
import re
from typing import Any, Final, TypeVar

import msgspec

from schemas.dead_letter import Reason
from schemas.fields import IDENTIFIER_LENGTH_MAX
from schemas.redaction import may_hold_secret, public_key_id, scrub_text
from schemas.topics import MESSAGE_BYTES_MAX
from schemas.usage_event import UsageEvent

T = TypeVar("T", bound=msgspec.Struct)

_EVENT: Final = msgspec.json.Decoder(UsageEvent)
_ENCODER: Final = msgspec.json.Encoder()
_FIELD = re.compile(r"`?\$\.(\w+)")
_REQUIRED = frozenset({"event_id", "occurred_at", "key_id"})
_TEXTS = tuple(
    field.name
    for field in msgspec.structs.fields(UsageEvent)
    if field.name not in {"key_id", "tags"} and "str" in str(field.type)
)


class Refused(Exception):  # noqa: N818 # named for what happened to the record
    """A record that cannot be used: a machine word, and a sentence without its contents."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


def encode(record: msgspec.Struct) -> bytes:
    """A record as JSON."""
    return _ENCODER.encode(record)


def decode_event(raw: bytes) -> UsageEvent:
    """One usage event, its secrets redacted.

    Raises:
        Refused: it is no usage event; the detail never quotes its contents.
    """
    if len(raw) > MESSAGE_BYTES_MAX:
        raise Refused("too_large", f"{len(raw)} bytes; at most {MESSAGE_BYTES_MAX} are taken")
    try:
        event = _EVENT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise explain(raw, error) from None
    if _suspicious(raw):
        event = redacted(event)
    if len(event.key_id) > IDENTIFIER_LENGTH_MAX:
        raise Refused("identifier_length", f"key_id is longer than {IDENTIFIER_LENGTH_MAX}")
    return event


def decode_events(body: bytes) -> list[UsageEvent] | None:
    """All events of NDJSON in one pass; None when any line needs a look of its own."""
    try:
        events: list[UsageEvent] = _EVENT.decode_lines(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if _suspicious(body):
        events = [redacted(event) for event in events]
    if any(len(event.key_id) > IDENTIFIER_LENGTH_MAX for event in events):
        return None
    return events


def redacted(event: UsageEvent) -> UsageEvent:
    """The event with a raw key id replaced by its hash and its texts scrubbed."""
    event.key_id = public_key_id(event.key_id)
    for name in _TEXTS:
        text = getattr(event, name)
        if text is not None:
            setattr(event, name, scrub_text(text))
    if event.tags is not None:
        event.tags = [scrub_text(tag) for tag in event.tags]
    return event


def decode_record(raw: bytes, kind: type[T]) -> T:
    """A control record.

    Raises:
        Refused: it is no such record.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise explain(raw, error) from None


def explain(raw: bytes, error: Exception) -> Refused:
    """Why a record could not be decoded."""
    if not raw.strip():
        return Refused("empty_message", "the message is empty")
    try:
        text = raw.decode()
    except UnicodeDecodeError as bad:
        return Refused("not_utf8", f"byte {bad.start} is not UTF-8")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Refused("not_json", "the message is not JSON")
    if not isinstance(value, dict):
        return Refused("not_an_object", f"the message is a JSON {type(value).__name__}")
    return _explain_fields(value, str(error))


def _explain_fields(value: dict[str, Any], message: str) -> Refused:
    for name, number in value.items():
        if isinstance(number, float) and not math.isfinite(number):
            return Refused("not_finite", f"{scrub_text(name[:64])} is not a finite number")
    match = _FIELD.search(message)
    name = match.group(1) if match else ""
    missing = re.search(r"missing required field `(\w+)`", message)
    if missing or (name in _REQUIRED and value.get(name) in (None, "")):
        return Refused("missing_field", f"{missing.group(1) if missing else name} is missing")
    if name == "occurred_at":
        return Refused("bad_time", "occurred_at is neither RFC 3339 with an offset nor a number")
    return Refused(_reason_of(message), f"{name}: {message.partition(' - at ')[0]}")


def _reason_of(message: str) -> Reason:
    if "of length" in message:
        return "identifier_length"
    if ">= 0" in message:
        return "negative_number"
    if "out of range" in message or "<= " in message:
        return "out_of_range"
    return "wrong_type"


def _suspicious(raw: bytes) -> bool:
    # An escaped letter can hide the beginning of a secret from the byte test.
    return may_hold_secret(raw) or b"\\u" in raw
