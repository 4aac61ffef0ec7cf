"""Records as JSON: written, and read with a reason for each refusal."""

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain, starmap
from typing import Any, Final, TypeVar

import msgspec

from schemas.dead_letter import Reason
from schemas.fields import IDENTIFIER_LENGTH_MAX
from schemas.ndjson import pieces
from schemas.plausibility import mistake_in
from schemas.redaction import may_hold_secret, public_key_id, scrub_text
from schemas.topics import MESSAGE_BYTES_MAX
from schemas.usage_event import UsageEvent

T = TypeVar("T", bound=msgspec.Struct)

_EVENT: Final = msgspec.json.Decoder(UsageEvent)
_ENCODER: Final = msgspec.json.Encoder()
_FIELD = re.compile(r"\$\.(?:[^`]*\.)?(\w+)")
"""The last name in the path to what is wrong."""
_REQUIRED = frozenset({"event_id", "occurred_at", "key_id"})
CONTROL_BYTES_MAX: Final = 16 * 1024
"""Bytes of a control record; a key's state holds its registry entry."""
UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises: no such record, no UTF-8, nested too deeply."""
_IDS = frozenset({"event_id", "key_id", "key_ids", "provider_key_id"})
_LEAP_SECOND = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:)60((?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d))")
_QUOTED = re.compile(r"\s*'.*", re.DOTALL)


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
        raise Refused("too_large", f"more than the {MESSAGE_BYTES_MAX} bytes that are taken")
    event = _decode(raw)
    return _checked(redacted(event) if _suspicious(raw) else event)


def decode_lines(body: bytes) -> Iterator[UsageEvent | Refused | None]:
    """What each line of NDJSON holds: an event, or why there is none; None where it is blank."""
    body = body.rstrip(b"\n")
    if len(body) > MESSAGE_BYTES_MAX:
        return _decode_each(body, decode_event)
    suspicious, some = _suspicious(body), pieces(body)
    if some is None:
        return _decode_each(body, decode_event if suspicious else _decode_plain)
    decode = _decode_suspicious if suspicious else _decode_piece
    return chain.from_iterable(starmap(decode, some))


def _decode_suspicious(count: int, text: bytes) -> Iterable[UsageEvent | Refused | None]:
    """What some lines hold of a message in which one may have a secret: most of them have none."""
    return _decode_each(text, decode_event) if _suspicious(text) else _decode_piece(count, text)


def _decode_piece(count: int, text: bytes) -> Iterable[UsageEvent | Refused | None]:
    """What so many lines without secrets hold."""
    try:
        events = _EVENT.decode_lines(text)
    except UNDECODABLE:
        events = []
    long = [event for event in events if len(event.key_id) > IDENTIFIER_LENGTH_MAX]
    if len(events) == count and not long:
        return events
    return _decode_each(text, _decode_plain)


def _decode_each(
    text: bytes, decode: Callable[[bytes], UsageEvent]
) -> Iterator[UsageEvent | Refused | None]:
    for line in text.split(b"\n"):
        try:
            yield decode(line)
        except Refused as refused:
            yield refused if line.strip() else None


def _decode_plain(raw: bytes) -> UsageEvent:
    return _checked(_decode(raw))


def _decode(raw: bytes) -> UsageEvent:
    try:
        return _EVENT.decode(raw)
    except UNDECODABLE as error:
        return _read_again(raw, UsageEvent, error)


def _checked(event: UsageEvent) -> UsageEvent:
    if len(event.key_id) > IDENTIFIER_LENGTH_MAX:
        raise Refused("identifier_length", f"key_id is longer than {IDENTIFIER_LENGTH_MAX}")
    return event


def redacted(record: T) -> T:
    """The record with ids that hold a secret replaced by their hashes, and its texts scrubbed.

    A hash, since a mark would make one event, or one key, of many.
    """
    for name in record.__struct_fields__:
        value = getattr(record, name)
        clean_text = public_key_id if name in _IDS else scrub_text
        if isinstance(value, str):
            clean: object = clean_text(value)
        elif isinstance(value, list):
            clean = [clean_text(item) if isinstance(item, str) else item for item in value]
        else:
            continue
        if clean != value:
            msgspec.structs.force_setattr(record, name, clean)
    return record


def decode_control(raw: bytes, kind: type[T]) -> T:
    """A control record, its secrets redacted.

    Raises:
        Refused: it is no such record.
    """
    if len(raw) > CONTROL_BYTES_MAX:
        raise Refused("too_large", f"more than the {CONTROL_BYTES_MAX} bytes that are taken")
    record = plausible(decode_record(raw, kind))
    return redacted(record) if _suspicious(raw) else record


def plausible(record: T) -> T:
    """The record itself.

    Raises:
        Refused: it says what cannot be.
    """
    if mistake := mistake_in(record):
        raise Refused(*mistake)
    return record


def decode_record(raw: bytes, kind: type[T]) -> T:
    """A record as it is, of any length.

    Raises:
        Refused: it is no such record.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNDECODABLE as error:
        return _read_again(raw, kind, error)


def _read_again(raw: bytes, kind: type[T], error: Exception) -> T:
    """A record in which null stands for no value, or 200.0 for 200, as data frames write them.

    A leap second, for which datetimes have no room, is the second before it. Apart from the first
    reading, since that is the hot path.

    Raises:
        Refused: it is no such record even so.
    """
    try:
        value = msgspec.json.decode(raw)
        if isinstance(value, dict):
            return msgspec.convert(_plain(value), kind)
    except msgspec.ValidationError as again:
        error = again
    except UNDECODABLE:
        pass
    raise why_undecodable(raw, error, kind.__struct_encode_fields__) from None


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain_value(each) for name, each in value.items() if each is not None}


def _plain_value(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and (leap := _LEAP_SECOND.fullmatch(value)):
        return f"{leap[1]}59{leap[2]}"
    return value


def why_undecodable(raw: bytes, error: Exception, fields: Collection[str] = ()) -> Refused:
    """Why a record could not be decoded.

    Args:
        raw: the record.
        error: what decoding raised.
        fields: names that a record of its kind has; any other may be a prompt, and is not told.
    """
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
        return Refused("not_an_object", "the message is JSON, and no object")
    return _explain_fields(value, str(error), fields)


def _explain_fields(value: dict[str, Any], message: str, fields: Collection[str]) -> Refused:
    for name, number in value.items():
        if isinstance(number, float) and not math.isfinite(number):
            told = name if name in fields else "a field"
            return Refused("not_finite", f"{told} is not a finite number")
    match = _FIELD.search(message)
    name = match.group(1) if match else ""
    missing = re.search(r"missing required field `(\w+)`", message)
    if missing or (name in _REQUIRED and value.get(name) in (None, "")):
        return Refused("missing_field", f"{missing.group(1) if missing else name} is missing")
    said = _QUOTED.sub("", message.partition(" - at ")[0])
    if "datetime" in said:
        return Refused("bad_time", f"{name} is neither RFC 3339 with an offset nor a number")
    if "JSON is malformed" in message or "truncated" in message:
        # Half a surrogate pair, also at the very end: Python's decoder forgives it.
        return Refused("not_json", "the message is not JSON")
    return Refused(_reason_of(said), f"{name}: {said}" if name else said)


def _reason_of(message: str) -> Reason:
    if "is missing" in message:
        return "missing_field"
    if "of length" in message:
        return "identifier_length"
    if ">= 0" in message:
        return "negative_number"
    if "out of range" in message or "<= " in message or "> 0" in message:
        return "out_of_range"
    return "wrong_type"


def _suspicious(raw: bytes) -> bool:
    # An escaped letter can hide the beginning of a secret from the byte test.
    return may_hold_secret(raw) or (b"\\" in raw and b"\\u" in raw)
