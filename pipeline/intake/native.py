"""Events that are in leakline's own form already."""

from typing import Final

from msgspec.structs import fields

from schemas.codec import decode_event
from schemas.usage_event import UsageEvent

FIELDS: Final = frozenset(field.name for field in fields(UsageEvent))
"""What is kept of a refused event."""


def convert(raw: bytes) -> UsageEvent:
    """A usage event; fields that it does not have are dropped.

    Raises:
        Refused: it is none.
    """
    return decode_event(raw)
