"""Reading what other programs write: a field of the wrong type counts as absent."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from schemas.codec import UNDECODABLE, why_undecodable
from schemas.fields import IDENTIFIER_LENGTH_MAX, REQUEST_DOLLARS_MAX, REQUEST_TOKENS_MAX
from schemas.known_fields import TEXTS_MAX
from schemas.redaction import TEXT_LENGTH_MAX, beginning, end, hashed_key_id, public_key_id

_NOTHING: Final[Mapping[str, object]] = {}

T = TypeVar("T")


def decoded(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """A record, also one with a `NaN` or half a surrogate pair, which not all programs leave out.

    The gateway's client may have put it there, so that the request would not be seen.

    Raises:
        Refused: it is no such record even so.
    """
    try:
        return decoder.decode(raw)
    except UNDECODABLE as error:
        try:
            return decoder.decode(_repaired(raw))
        except (*UNDECODABLE, ValueError):
            raise why_undecodable(raw, error) from None


def _repaired(raw: bytes) -> bytes:
    """The same in JSON, null in place of numbers that are not finite."""
    value = json.loads(raw.decode(), parse_constant=lambda _: None, parse_float=number_of)
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def table(value: object) -> Mapping[str, object]:
    """An object's fields; none when it is no object."""
    return value if isinstance(value, dict) else _NOTHING


def whole(*candidates: object) -> str | None:
    """The first that is a text and not empty, however long: keys may differ in their ends alone."""
    for value in candidates:
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def text(*candidates: object) -> str | None:
    """As `whole`, cut to `TEXT_LENGTH_MAX`."""
    found = whole(*candidates)
    return None if found is None else beginning(found)


def right(*candidates: object) -> str | None:
    """As `text`, cut to its right end: of a forwarded list the left end is the client's word."""
    found = whole(*candidates)
    return None if found is None else end(found)


def identifier(name: str) -> str:
    """The id of a key with this name: a hash when that is a secret, or too long for an id."""
    return hashed_key_id(name) if len(name) > IDENTIFIER_LENGTH_MAX else public_key_id(name)


def origin(value: str | None) -> str | None:
    """Scheme and host of an Origin or Referer: the path and query are nobody's business."""
    try:
        parts = urlsplit(value or "")
        host = parts.hostname
    except ValueError:
        return None
    return f"{parts.scheme}://{host}"[:TEXT_LENGTH_MAX] if parts.scheme and host else None


def texts(value: object) -> list[str] | None:
    """The first texts of a list."""
    items = value if isinstance(value, list) else []
    return [found for item in items if (found := text(item))][:TEXTS_MAX] or None


def count(*candidates: object) -> int:
    """The first that is a count above 0, written as a number or as a text; else 0."""
    for value in candidates:
        if isinstance(value, bool):
            continue
        number = value if isinstance(value, int) else number_of(value)
        if number is not None and 0 < number <= REQUEST_TOKENS_MAX:
            return int(number)
    return 0


def dollars(value: object) -> float | None:
    """An amount that can be a cost."""
    number = number_of(value)
    return number if number is not None and 0 <= number <= REQUEST_DOLLARS_MAX else None


def number_of(value: object) -> float | None:
    """A finite number, written as a number or as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def seconds(value: object) -> float | None:
    """Unix seconds of a number or an ISO 8601 text; a text without an offset is UTC."""
    number = number_of(value)
    if number is not None or not isinstance(value, str):
        return number
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def duration(value: object) -> float | None:
    """A number that is not negative."""
    number = number_of(value)
    return number if number is not None and number >= 0 else None


def flag(value: object) -> bool | None:
    """Yes or no, when it is either."""
    return value if isinstance(value, bool) else None


def elapsed_ms(start: float | None, end: float | None) -> float | None:
    """Milliseconds from one Unix second to another; None when they are not in order."""
    if start is None or end is None or end < start:
        return None
    return round((end - start) * 1000, 3)
