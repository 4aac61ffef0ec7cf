"""Mistakes in records whose fields are all of the right kind.

Looked for at the door and not where a record is made: states and stores go on holding what an
earlier release took in.
"""

from typing import Final

from msgspec import Struct

from schemas.dead_letter import Reason
from schemas.fields import epoch
from schemas.key_record import KeyRecord
from schemas.label import Label
from schemas.provider_usage import ProviderUsage
from schemas.zones import zone_named

_WINDOW_SECONDS_MIN: Final = 1.0
"""Use is counted by whole seconds."""


def mistake_in(record: Struct) -> tuple[Reason, str] | None:
    """A machine word and a sentence, where a record says what cannot be."""
    if isinstance(record, ProviderUsage):
        return _in_bill(record)
    if isinstance(record, Label) and epoch(record.ended_at) < epoch(record.started_at):
        return "bad_time", "ended_at is before started_at"
    if isinstance(record, KeyRecord) and record.timezone and zone_named(record.timezone) is None:
        return "wrong_type", "timezone is neither an IANA name nor hours east of UTC, as in UTC+9"
    return None


def _in_bill(bill: ProviderUsage) -> tuple[Reason, str] | None:
    if epoch(bill.window_end) - epoch(bill.window_start) < _WINDOW_SECONDS_MIN:
        return "bad_time", "window_end is not a second or more after window_start"
    return None
