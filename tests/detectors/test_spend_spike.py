"""Examples of `spend_spike`: what it fires on, and near misses."""

from collections.abc import Sequence

import pytest

from schemas.usage_event import UsageEvent
from tests.support.events import ABROAD, HOUR, burst, event, messages, workday
from tests.support.examples import NOW, TODAY, Example, findings, honest

FIRES: dict[str, Example] = {
    "two hundred dollars in ten minutes": lambda: honest(burst(NOW, 400, cost_usd=0.5)),
    "a little in every hour, ten times the day's": lambda: honest(
        burst(workday(TODAY, 7), 600, seconds=15 * HOUR, cost_usd=0.01)
    ),
    "a thousand cheap requests": lambda: honest(burst(NOW, 1_000, cost_usd=0.0001)),
}
QUIET: dict[str, Example] = {
    "a busy quarter of an hour": lambda: honest(burst(NOW, 20, seconds=900)),
    "one dear request": lambda: honest(burst(NOW, 1, cost_usd=0.1)),
}


def test_what_adds_up_over_the_day_is_told_as_a_day() -> None:
    found = findings("spend_spike", FIRES["a little in every hour, ten times the day's"])
    assert all("this day" in each.summary for each in found)
    assert max(each.score for each in found) > 3.0


def test_what_was_much_in_the_morning_is_not_told_all_day() -> None:
    morning = burst(workday(TODAY, 8), 700, seconds=HOUR, cost_usd=0.01)
    few = [event(workday(TODAY, 14.5) + second, cost_usd=0.001) for second in range(3)]
    found = findings("spend_spike", lambda: honest(morning, few))
    assert found
    assert max(each.since for each in found) < workday(TODAY, 10)


def of_the_day(hours: int) -> float:
    """What is said of a day on which the hour of a nightly job does not end for so long.

    At half a dollar an hour, after two weeks of three hundred requests a night.
    """
    nightly = [burst(workday(day, 2), 300, seconds=HOUR, cost_usd=0.001) for day in range(14)]
    endless = burst(workday(14, 2), 500 * hours, seconds=hours * HOUR, cost_usd=0.001)
    log = messages([*(each for night in nightly for each in night), *endless], 50)
    found = [each for each in findings("spend_spike", lambda: log) if "this day" in each.summary]
    return max((each.score for each in found), default=0.0)


def test_a_job_that_does_not_end_is_told_once_the_day_is_dear() -> None:
    assert of_the_day(18) > 6.0
    assert of_the_day(9) < 3.5


def test_a_day_of_twice_the_dearest_is_no_more_than_a_busy_one() -> None:
    days = [burst(workday(day, 9), 200, seconds=8 * HOUR, cost_usd=0.02) for day in range(14)]
    busy = burst(workday(14, 9), 600, seconds=8 * HOUR, cost_usd=0.02)
    found = findings("spend_spike", lambda: messages([*(e for d in days for e in d), *busy], 50))
    assert max((each.score for each in found), default=0.0) < 2.0


def test_what_fails_adds_nothing_to_what_is_spent() -> None:
    def most(*besides: Sequence[UsageEvent]) -> float:
        dear = burst(NOW, 60, seconds=1_800, cost_usd=0.05)
        found = findings("spend_spike", lambda: honest(dear, *besides))
        return max(each.score for each in found)

    failed = burst(NOW + 5, 900, seconds=1_800, status=503, cost_usd=0.0)
    assert most(failed) == pytest.approx(most(), abs=0.3)


def test_a_saturday_that_grows_is_compared_with_other_days_not_with_itself() -> None:
    week = [
        each
        for day in range(4)
        for hour in (9, 11, 14, 16)
        for each in burst(workday(day, hour), 17, seconds=HOUR, cost_usd=0.01)
    ]
    saturday = [
        each
        for hour, count in enumerate((40, 80, 160, 300, 300, 300), start=4)
        for each in burst(workday(5, hour), count, seconds=HOUR, cost_usd=0.01)
    ]
    found = findings("spend_spike", lambda: messages([*week, *saturday], 20))
    assert any("in this day, where 68 ($0.68) are usual" in each.summary for each in found)


def test_a_record_is_beaten_by_as_much_as_hours_differ() -> None:
    def beaten(sizes: tuple[int, ...]) -> float:
        sessions = [
            each
            for day, size in enumerate(sizes)
            for each in burst(workday(day, 10), size, seconds=240, cost_usd=0.01)
        ]
        much = burst(workday(len(sizes), 10), 2_000, seconds=240, cost_usd=0.01)
        found = findings("spend_spike", lambda: messages([*sessions, *much], 20))
        return max(each.score for each in found)

    # Even of sessions that were all alike, twenty are too few to be sure that they always are.
    assert beaten((10, 110) * 10) + 1.0 < beaten((110,) * 20) < 7.5


def test_what_the_provider_does_not_serve_is_not_used() -> None:
    """A client that tries again and again while the provider is down costs nothing."""
    down = burst(NOW, 1_000, status=503, cost_usd=0.0)
    assert not findings("spend_spike", lambda: honest(down))
    assert not findings("off_hours", lambda: honest(burst(workday(TODAY, 3), 400, status=429)))
    served = burst(NOW, 1_000, client_ip=ABROAD, cost_usd=0.0001)
    assert findings("spend_spike", lambda: honest(down, served))


def test_what_costs_cents_wakes_nobody_however_much_more_it_is() -> None:
    def most(cost_usd: float) -> float:
        much = burst(NOW, 5_000, cost_usd=cost_usd)
        return max(each.score for each in findings("spend_spike", lambda: honest(much)))

    assert most(0.000002) < 6.5
    assert most(0.01) > 7.5


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("spend_spike", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("spend_spike", example)
