"""Dead letters in the store: found, decoded for another try, dropped."""

import base64
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any, ClassVar, Final

import msgspec

from pipeline.store import Store
from schemas.codec import UNDECODABLE, Refused, decode_event, encode
from schemas.redaction import MARK
from schemas.topics import USAGE_EVENTS

LISTED_MAX: Final = 100_000
_FOUND: Final = """
SELECT topic, `partition`, offset, `index`, reason, detail, received_at, payload
FROM v_dead_letters
WHERE ({reason:String} = '' OR reason = {reason:String})
  AND ({topic:String} = '' OR (topic = {topic:String} AND `partition` = {partition:UInt32}
       AND offset = {offset:UInt64} AND `index` = {index:UInt32}))
ORDER BY received_at DESC, topic, `partition`, offset DESC, `index`
LIMIT {limit:UInt32}
"""
_COUNTS: Final = """
SELECT reason, count() FROM v_dead_letters
WHERE {reason:String} = '' OR reason = {reason:String}
GROUP BY reason ORDER BY reason
"""
_NO_EVENT: Final = (
    "it is no usage event, and only those are put back: a registry entry, a bill or a verdict "
    "has to be sent again by whoever sent it"
)
_DROP: Final = """
DELETE FROM dead_letters
WHERE (topic, `partition`, offset, `index`, reason) IN %(places)s
"""
DROPPED_AT_ONCE: Final = 500
"""Each deletion looks through the whole table; so many names fit into a statement."""


class NoPlaceError(Exception):
    """A text that is no place."""

    exit_code: ClassVar[int] = 2


class UnknownPlaceError(Exception):
    """There is no such dead letter."""


class NotReadableError(Exception):
    """A dead letter that cannot be put back. The text is for people."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the event stood when it was refused."""

    topic: str
    partition: int
    offset: int
    index: int

    @classmethod
    def parse(cls, text: str) -> "Place":
        """A place as `TOPIC/PARTITION/OFFSET/INDEX`.

        Raises:
            NoPlaceError: it is none.
        """
        topic, *numbers = text.rsplit("/", 3)
        if len(numbers) != 3 or not all(n.isascii() and n.isdigit() for n in numbers):
            raise NoPlaceError(f"{text}: a place is TOPIC/PARTITION/OFFSET/INDEX")
        return cls(topic, *map(int, numbers))

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}/{self.index}"


Row = dict[str, Any]
"""A row of `v_dead_letters`."""


def place_of(row: Row) -> Place:
    """Where a row's event stood."""
    return Place(row["topic"], row["partition"], row["offset"], row["index"])


def find(store: Store, reason: str | None = None, *, limit: int = LISTED_MAX) -> list[Row]:
    """The latest dead letters, of one reason or of all."""
    return _rows(store, Place("", 0, 0, 0), reason, limit)


def find_one(store: Store, place: Place) -> Row:
    """The dead letter of a place.

    Raises:
        UnknownPlaceError: there is none.
    """
    rows = _rows(store, place, None, 1)
    if not rows:
        raise UnknownPlaceError(f"{place}: the store has no such dead letter")
    return rows[0]


def counts(store: Store, reason: str | None = None) -> list[tuple[str, int]]:
    """How many there are of one reason, or of each."""
    found = store.query(_COUNTS, {"reason": reason or ""}).rows
    return [(str(name), int(count)) for name, count in found]


def payload_of(row: Row) -> bytes:
    """What was refused, scrubbed; empty when it was too large to carry."""
    return base64.b64decode(row["payload"])


def to_event(raw: bytes) -> tuple[str, bytes]:
    """A refused line as an event that can be sent again: key id and JSON.

    Raises:
        NotReadableError: it still cannot be read.
    """
    try:
        event = decode_event(raw)
    except Refused as refused:
        raise NotReadableError(_NO_EVENT if _is_of_another_kind(raw) else str(refused)) from None
    if MARK in event.key_id or MARK in event.event_id:  # scrubbed by an earlier release
        raise NotReadableError("an id was a secret and is gone")
    return event.key_id, encode(event)


def _is_of_another_kind(raw: bytes) -> bool:
    """Whether an object has nothing that only events have; what is refused keeps no kind."""
    try:
        value = msgspec.json.decode(raw)
    except UNDECODABLE:
        return False
    return isinstance(value, dict) and not {"event_id", "occurred_at"} & value.keys()


def is_left_in_the_log(row: Row) -> bool:
    """Whether the payload has to be fetched from its source offset."""
    return (
        not row["payload"]
        and row["reason"] != "empty_message"
        and row["topic"] == USAGE_EVENTS.name
    )


def drop(store: Store, rows: Iterable[Row]) -> int:
    """Delete dead letters, payloads included, and give their number.

    Raises:
        StoreRefused: the user of the store may not delete.
    """
    places = [(*astuple(place_of(row)), row["reason"]) for row in rows]
    for start in range(0, len(places), DROPPED_AT_ONCE):
        store.change(_DROP, {"places": tuple(places[start : start + DROPPED_AT_ONCE])})
    return len(places)


def _rows(store: Store, place: Place, reason: str | None, limit: int) -> list[Row]:
    asked = _parameters(place) | {"reason": reason or "", "limit": limit}
    return store.query(_FOUND, asked).dicts()


def _parameters(place: Place) -> dict[str, Any]:
    return {
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        "index": place.index,
    }
