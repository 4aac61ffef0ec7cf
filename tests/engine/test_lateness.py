"""Duplicates, late events, the future, and clocks that jump."""

from dataclasses import replace

import pytest

from detectors.contract import Detector, KeyView, Trigger
from pipeline.engine import PartitionFold
from schemas.usage_event import UsageEvent
from tests.support.events import (
    DAY,
    HOUR,
    MINUTE,
    Outcome,
    event,
    messages,
    office,
    packed,
    rules,
    run,
    workday,
)

NOON = workday(1, 12)


def fold(*events: UsageEvent) -> Outcome:
    return run([packed(list(events), appended_at=NOON + DAY)])


def requests(outcome: Outcome, granularity: str = "1d") -> int:
    return sum(row.requests for row in outcome.rows.values() if row.granularity == granularity)


def test_the_same_id_of_the_same_key_is_one_event() -> None:
    outcome = fold(event(NOON, event_id="e"), event(NOON, event_id="e"))
    assert (requests(outcome), outcome.fold.counts["duplicate"]) == (1, 1)


@pytest.mark.parametrize("later", [0.5, 59.0, 61.0, 240.0, 299.0])
def test_a_duplicate_may_have_another_time_within_the_lateness(later: float) -> None:
    outcome = fold(event(NOON, event_id="e"), event(NOON + later, event_id="e"))
    assert (requests(outcome), outcome.fold.counts["duplicate"]) == (1, 1)


@pytest.mark.parametrize("earlier", [30.0, 299.0])
def test_a_duplicate_may_be_older_than_its_original(earlier: float) -> None:
    outcome = fold(event(NOON, event_id="e"), event(NOON - earlier, event_id="e"))
    assert (requests(outcome), outcome.fold.counts["duplicate"]) == (1, 1)


def test_the_same_id_on_another_key_is_another_event() -> None:
    outcome = fold(event(NOON, event_id="e"), event(NOON, event_id="e", key_id="other"))
    assert (requests(outcome), outcome.fold.counts["duplicate"]) == (2, 0)


def test_a_duplicate_is_recognised_after_a_restore() -> None:
    saved = fold(event(NOON, event_id="e")).states
    again = PartitionFold(rules())
    for key_id, state in saved.items():
        assert state is not None
        again.restore(key_id, state)
    outcome = run([packed([event(NOON + 60, event_id="e")])], again)
    assert outcome.fold.counts["duplicate"] == 1


def test_a_late_event_is_counted_and_not_judged() -> None:
    dear = [event(NOON - 10 * MINUTE + n, cost_usd=500.0) for n in range(200)]
    outcome = fold(event(NOON - 11 * MINUTE), event(NOON), *dear)
    assert outcome.fold.counts["late"] == 200
    assert not outcome.incidents
    assert not outcome.dead_letters
    assert requests(outcome, "1h") == 202


def test_lateness_ends_at_the_second() -> None:
    counts = fold(event(NOON), event(NOON - 300), event(NOON - 300.5)).fold.counts
    assert (counts["folded"], counts["late"]) == (2, 1)


def test_a_late_event_of_a_closed_window_is_counted_as_late_and_nothing_more() -> None:
    outcome = fold(event(NOON - 3 * HOUR), event(NOON), event(NOON - 3 * HOUR + 1))
    assert outcome.fold.counts["late"] == 1
    assert requests(outcome, "1d") == 3
    assert requests(outcome, "1h") == 2


def test_a_late_event_finds_a_window_that_has_only_just_begun() -> None:
    late = event(NOON - 299, event_id="just late")
    outcome = fold(event(NOON - HOUR), event(NOON), event(NOON - 299.5), event(NOON + 2), late)
    assert outcome.fold.counts["late"] == 1
    assert {requests(outcome, granularity) for granularity in ("1m", "1h", "1d")} == {5}


def test_a_longer_lateness_keeps_minutes_open_for_as_long() -> None:
    patient = replace(rules(), lateness_seconds=2 * HOUR)
    events = [event(NOON), event(NOON + HOUR), event(NOON + 1), event(NOON + HOUR + 1)]
    outcome = run(messages(events, 1), PartitionFold(patient), checkpoint_every=1)
    assert outcome.fold.counts["folded"] == 4
    assert requests(outcome, "1m") == 4


def test_an_event_of_the_future_does_not_drag_the_clock_of_its_key() -> None:
    log = [
        packed([event(NOON)]),
        packed([event(NOON + DAY)], 1, appended_at=NOON),
        packed([event(NOON + 5)], 2),
    ]
    outcome = run(log)
    assert [each.reason for each in outcome.dead_letters] == ["time_in_future"]
    assert outcome.fold.counts["folded"] == 2


def test_another_key_far_ahead_does_not_make_a_key_late() -> None:
    outcome = fold(event(NOON + HOUR, key_id="ahead"), event(NOON), event(NOON + 1))
    assert outcome.fold.counts["late"] == 0


@pytest.mark.parametrize("jump", [HOUR, DAY, 40 * DAY, 365 * DAY, 3650 * DAY])
def test_a_clock_that_jumps_ahead_loses_nothing(jump: float) -> None:
    start = NOON - 3700 * DAY
    events = [event(start + n) for n in range(20)]
    events += [event(start + jump + n) for n in range(20)] + [event(start + 30)]
    outcome = run(messages(events, 10))
    assert requests(outcome) >= 40
    assert outcome.fold.counts["late"] == 1


def test_all_events_at_one_instant() -> None:
    outcome = run(messages([event(NOON, event_id=f"e{n}") for n in range(3_000)], 500))
    assert requests(outcome) == requests(outcome, "1m") == 3_000


def test_a_key_with_one_event() -> None:
    outcome = fold(event(NOON))
    assert requests(outcome) == 1
    assert not outcome.incidents
    assert len(outcome.fold) == 1


def test_times_around_midnight_fall_into_their_own_windows() -> None:
    midnight = workday(2, 0)
    outcome = run(messages([event(midnight + at) for at in (-60.0, -0.001, 0.0, -30.0, 59.999)], 1))
    assert requests(outcome) == 5
    starts = {start for _, granularity, start in outcome.rows if granularity == "1d"}
    assert starts == {midnight - DAY, midnight}


class Looks(Detector):
    """Counts how often something novel had a key looked at."""

    name = question = catches = misses = advice = "looks"
    triggers = Trigger.NOVEL

    def __init__(self) -> None:
        self.times: list[float] = []

    def judge(self, key: KeyView) -> None:
        self.times.append(key.now)


@pytest.mark.parametrize("back", [0.0, 90.0, 250.0])
def test_novel_requests_out_of_order_have_a_key_looked_at_once_a_minute(back: float) -> None:
    """Gateways tell of a request when it ends, and date it when it began."""
    looks, noon = Looks(), workday(14, 12)
    novel = [
        event(noon + number - number % 4 * back / 3, event_id=f"{number}", model="dear")
        for number in range(600)
    ]
    log = messages([*office(12), *novel])
    run(log, PartitionFold(replace(rules(), detectors=(looks,))))
    assert len([at for at in looks.times if at >= noon]) == 10
