"""The hourly profile of a key: what is expected when, in its own time zone."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.baselines.totals import Totals
from detectors.baselines.volume import Volume
from schemas.key_record import KeyRecord

MONDAY = 497_208
"""Monday, 21 September 2026, 00:00 UTC, in hours since 1970."""
WEEKS = 3


def working(*, first: int = 9, east: int = 0, record: KeyRecord | None = None) -> Volume:
    """Three weeks of working days of eight hours, in a zone so many hours east of UTC."""
    volume = Volume()
    for day in range(7 * WEEKS):
        for hour in range(first, first + 8) if day % 7 < 5 else ():
            total = Totals(requests=120, nanos=120 * 10**7)
            volume.learn(MONDAY + 24 * day + hour - east, record, total, Totals(requests=20))
    return volume


def at(day: int, hour: int) -> int:
    return MONDAY + 24 * (7 * WEEKS + day) + hour


def test_a_working_hour_is_expected_and_a_night_is_not() -> None:
    volume = working()
    assert volume.expected(at(1, 11), None)[0] == pytest.approx(120, rel=0.15)
    assert volume.expected(at(1, 3), None)[0] < 5
    assert volume.expected(at(5, 11), None)[0] < 15


def test_activity_is_a_share_of_days() -> None:
    volume = working()
    assert volume.activity(at(1, 11), None) > 0.95
    assert volume.activity(at(1, 3), None) < 0.05
    assert volume.activity(at(6, 11), None) < 0.05


def test_three_days_of_sessions_are_not_regular() -> None:
    """Whatever happened on one of three days looks regular by a third."""
    volume = Volume()
    for hour in (9, 24 + 15, 48 + 20):
        volume.learn(MONDAY + hour, None, Totals(requests=30), Totals(requests=30))
    assert volume.regularity < 0.15
    assert working().regularity > 0.9


def test_an_hour_in_doubt_raises_records_slowly() -> None:
    sure, doubtful = working(), working()
    much = Totals(requests=10_000, nanos=10**12)
    sure.learn(at(0, 10), None, much, much)
    doubtful.learn(at(0, 10), None, much, much, doubtful=True)
    assert 1.6 * 120 > sure.records.requests_1h > 1.4 * 120 > doubtful.records.requests_1h > 120


def test_hours_of_a_loop_do_not_teach_that_hours_differ_widely() -> None:
    volume = working()
    for hour in range(20, 34):
        volume.learn(at(0, hour), None, Totals(requests=9_000), Totals(requests=900))
    assert volume.spread.sigma < 2.5 * working().spread.sigma


def test_what_few_days_say_of_an_hour_is_drawn_to_the_mean_of_the_day() -> None:
    def at_night(days: int) -> float:
        volume = Volume()
        for hour in range(24 * days):
            requests = 120 if 9 <= hour % 24 < 17 else 0
            total = Totals(requests=requests)
            volume.learn(MONDAY + hour, None, total, total)
        return volume.expected(MONDAY + 24 * days + 3, None)[0]

    assert at_night(1) == pytest.approx(20, rel=0.1), "a half of 40, the mean"
    assert at_night(4) == pytest.approx(8, rel=0.1)


def test_an_hour_of_a_thousand_times_as_much_is_learnt_as_twice_the_record() -> None:
    volume = working()
    before = volume.expected(at(2, 11), None)[0]
    volume.learn(at(1, 11), None, Totals(requests=120_000, nanos=10**14), Totals())
    assert before < volume.expected(at(2, 11), None)[0] < 1.1 * before


def test_the_hour_beside_a_working_hour_is_half_usual() -> None:
    assert 0.3 < working().activity(at(1, 17), None) < 0.8


@pytest.mark.parametrize("east", [-11, -8, -3, 0, 5, 10, 12])
def test_the_hours_of_a_key_tell_its_time_zone(east: int) -> None:
    """Where it is Monday morning already, or Friday still, it is no weekend."""
    volume = working(east=east)
    zone = volume.zone(None)
    assert zone == f"UTC{east:+d}"
    for day, hour in ((0, 9), (2, 13), (4, 16)):
        assert volume.expected(at(day, hour) - east, zone)[0] == pytest.approx(120, rel=0.15)
        assert volume.activity(at(day, hour) - east, zone) > 0.9
    for day, hour in ((1, 3), (5, 9), (6, 16)):
        assert volume.expected(at(day, hour) - east, zone)[0] < 15
        assert volume.always_rests(at(day, hour) - east, zone) == (hour == 3)


def test_the_registry_knows_the_zone_better() -> None:
    record = KeyRecord(key_id="k", timezone="Asia/Tokyo")
    volume = working(record=record)
    assert (volume.offset, volume.zone(record)) == (None, "Asia/Tokyo")
    assert working().zone(record) == "Asia/Tokyo"


@pytest.mark.parametrize("unclear", ["around the clock", "few hours", "two days"])
def test_hours_that_tell_no_zone_are_those_of_utc(unclear: str) -> None:
    volume = Volume()
    days, hours = {
        "around the clock": (21, range(24)),
        "few hours": (5, range(21, 23)),
        "two days": (2, range(15, 23)),
    }[unclear]
    for day in range(days):
        for hour in hours:
            volume.learn(MONDAY + 24 * day + hour, None, Totals(requests=120), Totals())
    assert volume.zone(None) is None


def test_a_record_decays_in_time() -> None:
    volume = working()
    before = volume.records.requests_1h
    volume.learn(at(60, 11), None, Totals(requests=1), Totals(requests=1))
    assert before == 120.0
    assert volume.records.requests_1h < before / 2


def test_a_lull_of_a_year_is_learnt_in_no_time_and_forgets_the_profile_in_part() -> None:
    volume = working()
    volume.learn(at(365, 11), None, Totals(requests=120), Totals())
    assert 0 < volume.expected(at(366, 11), None)[0] < 120


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 10**12)), max_size=40))
def test_whatever_was_learnt_what_is_expected_is_a_number(hours: list[tuple[int, int]]) -> None:
    volume = Volume()
    for hour, requests in hours:
        total = Totals(requests=requests, nanos=requests * 10**6)
        volume.learn(MONDAY + hour, None, total, total)
    for hour in range(0, 400, 7):
        requests_expected, nanos_expected = volume.expected(MONDAY + hour, None)
        assert 0 <= requests_expected <= 10**12 * 1.001
        assert 0 <= nanos_expected <= 10**18 * 1.001
        assert 0 <= volume.activity(MONDAY + hour, None) <= 1.000001


def test_on_a_first_day_an_hour_is_as_usual_as_those_before_it() -> None:
    volume = Volume()
    for hour in range(6):
        volume.learn(at(0, 9 + hour), None, Totals(requests=24), Totals())
    assert 12 < volume.expected(at(0, 15), None)[0] <= 24


@pytest.mark.parametrize("share", [1.0, 0.7, 0.5, 0.3])
def test_use_that_does_not_change_is_no_ramp(share: float) -> None:
    """Nor is that of a key which works now and then: a mean with idle hours in it is less."""
    rng, volume = random.Random(3), Volume()  # noqa: S311 # repeatable, and no secret
    for hour in range(24 * 90):
        if rng.random() < share:
            requests = max(1, round(rng.lognormvariate(3, 0.4)))
            volume.learn(MONDAY + hour, None, Totals(requests=requests), Totals(requests=requests))
    assert volume.drift < 5.0, "half of the alarm"


def test_a_day_has_twenty_four_hours() -> None:
    """Of the second day each hour is half of what is known, the first and the last."""
    volume = Volume()
    for hour in range(48):
        total = Totals(requests=100 if hour < 24 else 200)
        volume.learn(MONDAY + hour, None, total, total)
    for hour in (0, 12, 23):
        assert struct.unpack_from("<f", volume.requests, 4 * hour)[0] == pytest.approx(
            150, rel=0.01
        )


def test_an_hour_is_judged_by_the_days_that_the_profile_remembers() -> None:
    """However old a key is: a job of once a month is in no profile of two weeks."""
    volume = Volume()
    for hour in range(24 * 100):
        volume.learn(MONDAY + hour, None, Totals(requests=5), Totals(requests=5))
    assert volume.days_remembered == pytest.approx(28.0)
