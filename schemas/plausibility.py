"""Mistakes in records whose fields are all of the right kind.

Looked for at the door and not where a record is made: states and stores go on holding what an
earlier release took in.
"""

from typing import Final

from msgspec import Struct

from schemas.calibration import Calibration
from schemas.countries import code_meant, is_country
from schemas.dead_letter import Reason
from schemas.fields import epoch
from schemas.key_record import KeyRecord
from schemas.label import Label
from schemas.provider_usage import ProviderUsage
from schemas.zones import zone_named

OLDEST: Final = 1_262_304_000.0
"""2010 in Unix seconds: nothing older can be a request to a language model."""
_NO_SECONDS: Final = 1e11
"""Beyond the year 5000."""
_WINDOW_SECONDS_MIN: Final = 1.0
"""Use is counted by whole seconds."""
_NATS: Final = 0.1, 20.0
"""Between these a threshold can be meant: no evidence alone weighs more."""
_WEIGHT_MAX: Final = 10.0


def mistake_in(record: Struct) -> tuple[Reason, str] | None:
    """A machine word and a sentence, where a record says what cannot be."""
    if isinstance(record, ProviderUsage):
        return _in_bill(record)
    if isinstance(record, Calibration):
        return _in_calibration(record)
    if isinstance(record, Label) and epoch(record.ended_at) < epoch(record.started_at):
        return "bad_time", "ended_at is before started_at"
    if isinstance(record, KeyRecord):
        return _in_entry(record)
    return None


def mistake_in_time(at: float, newest: float) -> tuple[Reason, str] | None:
    """The same for the time of an event, in Unix seconds, when it should be no newer."""
    if at < OLDEST:
        return "time_too_old", "occurred_at is before 2010"
    if at <= newest:
        return None
    if at > _NO_SECONDS:
        return "time_in_future", "occurred_at is in milliseconds or smaller; seconds are taken"
    return "time_in_future", "occurred_at is ahead of the time at which the log took it"


def _in_entry(entry: KeyRecord) -> tuple[Reason, str] | None:
    if entry.timezone and zone_named(entry.timezone) is None:
        return "wrong_type", "timezone is neither an IANA name nor hours east of UTC, as in UTC+9"
    for place, code in enumerate(entry.allowed_countries or ()):
        if not is_country(code):  # not quoted: it may be anything
            meant = code_meant(code)
            hint = f"; {meant} is meant, it seems" if meant else ", as DE or GB"
            return "wrong_type", f"allowed_countries[{place}] is no ISO 3166-1 alpha-2 code{hint}"
    return None


def _in_bill(bill: ProviderUsage) -> tuple[Reason, str] | None:
    if epoch(bill.window_end) - epoch(bill.window_start) < _WINDOW_SECONDS_MIN:
        return "bad_time", "window_end is not a second or more after window_start"
    return None


def _in_calibration(calibration: Calibration) -> tuple[Reason, str] | None:
    low, high = _NATS
    thresholds = (calibration.page_nats, calibration.ticket_nats, *calibration.cohorts.values())
    if not all(low <= nats <= high for nats in thresholds):
        return "out_of_range", f"a threshold is not between {low:g} and {high:g} nats"
    if not all(0 <= weight <= _WEIGHT_MAX for weight in calibration.weights.values()):
        return "out_of_range", f"a weight is not between 0 and {_WEIGHT_MAX:g}"
    return None
