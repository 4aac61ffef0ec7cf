"""Events that are in leakline's own form already."""

from math import inf
from typing import Final

from msgspec.structs import fields

from pipeline.intake import batch
from pipeline.intake.batch import AHEAD_SECONDS_MAX, ITEMS_MAX, Batch
from schemas.codec import Refused, decode_event, decode_lines
from schemas.fields import epoch
from schemas.plausibility import mistake_in_time
from schemas.topics import MESSAGE_BYTES_MAX
from schemas.usage_event import UsageEvent

FIELDS: Final = frozenset(field.name for field in fields(UsageEvent))
"""What is kept of a refused event."""
EVENT_BYTES_MAX: Final = MESSAGE_BYTES_MAX - 1024
"""The rest of a message is for the name of the source, which an event is given here."""


def convert(raw: bytes) -> UsageEvent:
    """A usage event; fields that it does not have are dropped.

    Raises:
        Refused: it is none.
    """
    if len(raw) > EVENT_BYTES_MAX:
        raise Refused("too_large", f"more than the {EVENT_BYTES_MAX} bytes that are taken")
    return decode_event(raw)


def parse(body: bytes, arrived: float = inf) -> Batch:
    """The events of a body in any of the three forms; good NDJSON is decoded without a detour."""
    if body.startswith(b"{") and body.count(b"\n") < ITEMS_MAX and _fits(body):
        events = [event for event in decode_lines(body) if event is not None]
        newest = arrived + AHEAD_SECONDS_MAX
        good = [
            event
            for event in events
            if isinstance(event, UsageEvent)
            and not mistake_in_time(epoch(event.occurred_at), newest)
        ]
        if len(good) == len(events):
            return Batch(good)
    return batch.parse(body, convert, arrived)


def _fits(body: bytes) -> bool:
    return len(body) <= EVENT_BYTES_MAX or max(map(len, body.split(b"\n"))) <= EVENT_BYTES_MAX
