"""A request's body as events and refusals, whatever the format of its items."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from math import inf

import msgspec
from xxhash import xxh3_64_intdigest

from schemas.codec import UNDECODABLE, Refused, encode
from schemas.dead_letter import DeadLetter, pack_payload
from schemas.fields import epoch
from schemas.known_fields import known_fields
from schemas.plausibility import mistake_in_time
from schemas.usage_event import UsageEvent

ITEMS_MAX = 50_000
"""Items in one request."""
AHEAD_SECONDS_MAX = 86_400.0
_EXACT_BITS = 53
"""Of a whole number, also where it is read as a floating one."""

_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ITEM = msgspec.json.Decoder(msgspec.Raw)
_MARKS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
"""Texts, so that nothing within them counts, and what an array is made of.

A text that is cut short matches to its end, also behind a backslash: otherwise it would be looked
through once more from each quote in it."""

_CUT = b"["
"""Stands for what is missing of an array that ends between two items, and is refused as that."""

Convert = Callable[[bytes], UsageEvent]
"""One item to an event; raises `Refused`."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that is no event."""

    index: int
    """Place within the body, from 0."""
    raw: bytes
    refused: Refused


@dataclass(slots=True)
class Batch:
    """What a body held, in its order."""

    events: list[UsageEvent] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def reasons(self) -> dict[str, int]:
        """How many items were refused, by reason."""
        return dict(sorted(Counter(item.refused.reason for item in self.rejected).items()))

    def packed(self) -> list[tuple[str, bytes]]:
        """(key id, event as JSON) of every event."""
        return [(event.key_id, encode(event)) for event in self.events]


def parse(body: bytes, convert: Convert, arrived: float = inf) -> Batch:
    """The events of a body that came at a time: an array, one object, or one object a line."""
    try:
        items = split(body)
    except Refused as refused:
        return Batch(rejected=[Rejected(0, body, refused)])
    return convert_all(items, convert, arrived)


def convert_all(items: Iterable[bytes], convert: Convert, arrived: float = inf) -> Batch:
    """Each item converted, or refused without harm to the others."""
    batch = Batch()
    for index, raw in enumerate(items):
        try:
            batch.events.append(timely(convert(raw), arrived))
        except Refused as refused:
            batch.rejected.append(Rejected(index, raw, refused))
    return batch


def timely(event: UsageEvent, arrived: float) -> UsageEvent:
    """The event itself.

    Raises:
        Refused: its time cannot be meant. Up to a day ahead it may be our clock that is wrong, and
            the log's decides.
    """
    if mistake := mistake_in_time(epoch(event.occurred_at), arrived + AHEAD_SECONDS_MAX):
        raise Refused(*mistake)
    return event


def split(body: bytes) -> Sequence[bytes]:
    """The items of a body, undecoded.

    Raises:
        Refused: there is nothing in it, too much, or an array of nothing that can be told apart.
    """
    start = body[:64].lstrip()[:1] or body.lstrip()[:1]
    if not start:
        raise Refused("empty_message", "the body is empty")
    items = _array(body) if start == b"[" else _lines(body)
    if len(items) > ITEMS_MAX:
        raise Refused("too_large", f"{len(items)} items; at most {ITEMS_MAX} are taken at once")
    return items


def _array(body: bytes) -> list[bytes]:
    try:
        return [bytes(item) for item in _ITEMS.decode(body)]  # may be none
    except UNDECODABLE:
        items = [item for item in islice(_pieces(body), ITEMS_MAX + 1) if item.strip()]
    if not items:
        raise Refused("not_json", "the body begins as a JSON array and is none")
    return items


def _pieces(body: bytes) -> Iterator[bytes]:
    """The items of an array that is not JSON as a whole, so that a bad one harms no other.

    A gateway's clients have a hand in what it logs: a single `NaN` of theirs must not cost the
    events of everybody else in the batch.
    """
    depth = start = 0
    mark = b""
    for found in _MARKS.finditer(body):
        mark = found[0]
        if mark in (b"[", b"{"):
            depth += 1
            start = start or found.end()
        elif mark == b"]" or (mark == b"}" and depth > 1):
            depth -= 1
        if depth == 0 or (depth == 1 and mark == b","):
            yield body[start : found.start()]
            start = found.end()
        if depth == 0:
            break
    yield body[start:]
    if depth == 1 and mark in {b"[", b",", b"}"}:
        yield _CUT


def _lines(body: bytes) -> list[bytes]:
    try:
        return [bytes(_ITEM.decode(body))]
    except UNDECODABLE:
        return [line for line in body.split(b"\n") if line.strip()]


def dead_letters(
    batch: Batch, source: str, fields: frozenset[str], received_at: float
) -> list[DeadLetter]:
    """A dead letter of each refusal, with no more of the item than the named fields.

    What is no JSON object is left out as a whole, because nobody can tell what is in it.
    A body has no place in a log: a hash of the item stands for one, so that one dead letter is not
    taken for another, and an item that a gateway sends again is the same.
    """
    return [
        DeadLetter(
            topic=f"intake:{source}",
            offset=xxh3_64_intdigest(item.raw) >> (64 - _EXACT_BITS),
            index=item.index,
            reason=item.refused.reason,
            detail=item.refused.detail,
            received_at=datetime.fromtimestamp(received_at, UTC),
            payload=pack_payload(known_fields(item.raw, fields) or b""),
        )
        for item in batch.rejected
    ]
