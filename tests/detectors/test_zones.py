"""Time zones: by name, by hours, and by what a key's hours tell."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.baselines.zones import bin_of, name_of, offset_told_by, zone_of

MONDAY = 497_208
"""Monday, 21 September 2026, 00:00 UTC, in hours since 1970."""


def day_of(first: int, length: int, requests: float = 50.0) -> list[float]:
    hours = {(first + each) % 24 for each in range(length)}
    return [requests if hour in hours else 0.0 for hour in range(24)]


def test_hours_are_those_of_the_zone() -> None:
    evening, friday = MONDAY + 22, MONDAY + 4 * 24 + 23
    assert bin_of(evening, "Europe/Vienna") == 0
    assert bin_of(evening, "UTC+2") == 0
    assert bin_of(evening, None) == 22
    assert bin_of(friday, "Asia/Tokyo") >= 24
    assert bin_of(friday, "UTC+9") >= 24
    assert bin_of(friday, "UTC-9") < 24
    assert bin_of(friday, None) < 24


@pytest.mark.parametrize(
    "zone",
    ["America", "x" * 5_000, "../../etc/passwd", "", "\x00", "Mars/Base", "UTC+24", "UTC+9h"],
)
def test_a_zone_that_is_none_is_utc(zone: str) -> None:
    assert zone_of(zone) is zone_of(None)


@given(st.integers(-11, 12), st.integers(3, 12))
def test_the_middle_of_a_days_work_is_the_middle_of_the_day(east: int, length: int) -> None:
    requests = day_of(13 - length // 2 - east, length)
    active = [1.0 if each else 0.0 for each in requests]
    told = offset_told_by(active, requests, 5.0)
    assert told is not None
    assert (told - east) % 24 in {23, 0, 1}
    assert zone_of(name_of(told)).utcoffset(None) == timedelta(hours=told)


def test_an_hour_of_bulk_is_not_the_middle_of_the_day() -> None:
    requests = day_of(9, 9)
    requests[17] *= 10
    told = offset_told_by([1.0 if each else 0.0 for each in requests], requests, 5.0)
    assert told in {-1, 0}


@given(st.lists(st.floats(0, 1e9), min_size=24, max_size=24), st.floats(0, 14))
def test_whatever_the_hours_the_offset_is_that_of_a_zone(
    requests: list[float], days: float
) -> None:
    told = offset_told_by([1.0 if each else 0.0 for each in requests], requests, days)
    assert told is None or -11 <= told <= 12
