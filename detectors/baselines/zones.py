"""The clock that a key lives by: the zone in its registry entry, or one that its hours tell."""

import cmath
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from schemas.zones import zone_named

_MIDDAY: Final = 13.25
"""The middle of a day's work by the clock of those who do it, from nine to five or six."""
_CONCENTRATION_MIN: Final = 0.5
"""Resultant length from which hours have a middle: of fourteen hours in a row it is as much."""
_ACTIVE_HOURS_MIN: Final = 12.0
"""Three busy hours a day for four days, say: the middle of fewer is chance."""


def zone_of(name: str | None) -> tzinfo:
    """The zone of an IANA name or of hours east of UTC (`UTC+9`); UTC when there is none."""
    return (zone_named(name) if name else None) or UTC


@lru_cache(maxsize=65536)
def bin_of(hour: int, zone: str | None) -> int:
    """The bin of an hour (hours since 1970) in a zone: 24 of weekdays, then 24 of weekends."""
    local = datetime.fromtimestamp(hour * 3600, zone_of(zone))
    return local.hour + (24 if local.weekday() >= 5 else 0)


@lru_cache(maxsize=8192)
def month_of(hour: int) -> int:
    """The UTC month of an hour since 1970, in months since year 0."""
    day = datetime.fromtimestamp(hour * 3600, UTC)
    return 12 * day.year + day.month - 1


def hours_between(before: str | None, after: str | None, hour: int) -> int:
    """By how many hours the clock of one zone is ahead of another's, at an hour since 1970."""
    at = datetime.fromtimestamp(hour * 3600, UTC)
    ahead = [at.astimezone(zone_of(name)).utcoffset() or timedelta() for name in (before, after)]
    return round((ahead[1] - ahead[0]) / timedelta(hours=1))


@lru_cache(maxsize=64)
def name_of(offset: int) -> str:
    """The name of a zone so many hours east of UTC."""
    return f"UTC{offset:+d}"


def clock(hour: int, zone: str | None) -> str:
    """An hour since 1970 by the clock of a zone: `02:00 and 03:00 Europe/Berlin`, after between."""
    begin, end = [datetime.fromtimestamp(3600 * each, zone_of(zone)) for each in (hour, hour + 1)]
    return f"{begin:%H:%M} and {end:%H:%M} {(zone or 'UTC').removesuffix('+0')}"


def offset_told_by(active: Sequence[float], requests: Sequence[float], days: float) -> int | None:
    """Hours east of UTC at which a key's work is done around the middle of the day.

    The circular mean of the hours, weighted by the square root of their requests: one hour of
    bulk is not the middle of the day.

    Args:
        active: share of weekdays on which each UTC hour had any request.
        requests: mean requests in each.
        days: how many weekdays are known.

    Returns:
        -11 to 12; None while little is known, and for keys that work around the clock.
    """
    if days * sum(active) < _ACTIVE_HOURS_MIN:
        return None
    weights = [math.sqrt(each) for each in requests]
    turn = math.tau / 24
    total = sum(
        weight * cmath.rect(1.0, turn * (hour + 0.5)) for hour, weight in enumerate(weights)
    )
    if abs(total) < _CONCENTRATION_MIN * sum(weights):
        return None
    offset = round(_MIDDAY - cmath.phase(total) / turn)
    return (offset + 11) % 24 - 11
