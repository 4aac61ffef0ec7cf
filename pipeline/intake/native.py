"""Events that are in leakline's own form already."""

from typing import Final

from msgspec.structs import fields

from pipeline.intake import batch
from pipeline.intake.batch import ITEMS_MAX, Batch
from schemas.codec import decode_event, decode_events
from schemas.usage_event import UsageEvent

FIELDS: Final = frozenset(field.name for field in fields(UsageEvent))
"""What is kept of a refused event."""


def convert(raw: bytes) -> UsageEvent:
    """A usage event; fields that it does not have are dropped.

    Raises:
        Refused: it is none.
    """
    return decode_event(raw)


def parse(body: bytes) -> Batch:
    """The events of a body in any of the three forms; good NDJSON is decoded in one pass."""
    if body.startswith(b"{") and body.count(b"\n") < ITEMS_MAX:
        events = decode_events(body)
        if events is not None:
            return Batch(events)
    return batch.parse(body, convert)
