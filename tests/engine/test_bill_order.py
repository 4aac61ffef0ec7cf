"""Bills and events that come late, twice or out of order."""

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.message import Message
from schemas.fields import epoch
from schemas.provider_usage import ProviderUsage
from schemas.usage_event import UsageEvent
from tests.reconcile.bills import DOLLARS_AN_HOUR, bill, entry, use
from tests.support.events import (
    DAY,
    HOUR,
    KEY,
    START,
    Outcome,
    control,
    event,
    messages,
    renumbered,
    run,
)

HOURS = 60
THEFT_DOLLARS = 50.0


def of_hour(hour: int, dollars: float = DOLLARS_AN_HOUR, **changes: object) -> ProviderUsage:
    """A bill of an hour, observed an hour after it if nothing else is said."""
    fields: dict[str, Any] = {
        "key_id": KEY,
        "window_start": START + hour * HOUR,
        "window_end": START + (hour + 1) * HOUR,
        "observed_at": START + (hour + 2) * HOUR,
    }
    return bill(dollars, **fields | changes)


def told(
    *log: Message | ProviderUsage, events: Sequence[UsageEvent] = tuple(use(KEY, HOURS))
) -> list[float]:
    """Unseen dollars of what is said of a key with a provider's key, its use, and a log."""
    rest = [
        control("provider-usage", each) if isinstance(each, ProviderUsage) else each for each in log
    ]
    whole = [control("key", entry(KEY)), *messages(events), *rest]
    return [
        each.unseen_usd or 0.0
        for each in run(renumbered(whole)).incidents
        if each.cause == "off_gateway"
    ]


def test_a_bill_that_waited_for_hours_is_judged_when_it_is_read() -> None:
    theft = of_hour(40, THEFT_DOLLARS)
    assert told(theft)
    assert told(of_hour(55), theft)


def test_a_bill_is_not_told_of_again_as_time_goes_on() -> None:
    later = [event(START + (HOURS + n) * HOUR, cost_usd=0.5) for n in range(1, 12)]
    assert len(told(of_hour(40, THEFT_DOLLARS), *messages(later))) == 1


@pytest.mark.parametrize("later", [0.0, 1.0, 1800.0])
def test_a_correction_replaces_what_it_corrects(later: float) -> None:
    first = of_hour(55, THEFT_DOLLARS)
    corrected = of_hour(55, observed_at=START + 57 * HOUR + later)
    more = of_hour(56, DOLLARS_AN_HOUR + 0.1)
    assert len(told(first, corrected, more)) == 1
    assert not told(corrected, more)


def test_what_an_earlier_observation_says_is_out_of_date() -> None:
    """The store keeps the one that was observed last, whichever came last."""
    stale = of_hour(55, THEFT_DOLLARS, observed_at=START + 57 * HOUR - 1800)
    assert not told(of_hour(55), stale)
    other_end = of_hour(
        55, THEFT_DOLLARS, observed_at=START + 56 * HOUR, window_end=START + 57 * HOUR
    )
    assert not told(of_hour(55), other_end)
    assert told(of_hour(55), of_hour(55, THEFT_DOLLARS, model="another", observed_at=START))


def test_bills_of_two_keys_of_the_provider_are_added_up() -> None:
    """In the hour in which one is rotated: each alone is explained by what the gateway saw."""
    old, new = (of_hour(55, provider_key_id=each) for each in ("provider-1", "provider-2"))
    assert told(old, new)
    halves = [
        of_hour(55, DOLLARS_AN_HOUR / 2, provider_key_id=each)
        for each in ("provider-1", "provider-2")
    ]
    assert not told(*halves)
    assert told(*halves, of_hour(56, 1.5 * DOLLARS_AN_HOUR)), "nothing was billed too little before"


def test_events_that_came_late_but_before_the_bill_were_seen() -> None:
    """Half an hour's requests are handed over when their hour, or their day, has closed."""
    events = use(KEY, HOURS, per_hour=12)
    late = [each for each in events if 54.5 * HOUR <= epoch(each.occurred_at) - START < 55 * HOUR]
    on_time = [each for each in events if each not in late]
    due = of_hour(54, 2 * DOLLARS_AN_HOUR)
    assert not told(*messages(late), due, events=on_time)
    assert told(due, events=on_time)
    assert told(*messages(late), of_hour(54, 3 * DOLLARS_AN_HOUR), events=on_time)


def test_events_that_came_after_their_day_had_closed_are_on_the_bill_of_the_day() -> None:
    events = use(KEY, HOURS)
    late = [each for each in events if 40 * HOUR <= epoch(each.occurred_at) - START < 46 * HOUR]
    on_time = [each for each in events if each not in late]
    day = bill(
        24 * DOLLARS_AN_HOUR,
        key_id=KEY,
        window_start=START + DAY,
        window_end=START + 2 * DAY,
        observed_at=START + HOURS * HOUR,
    )
    log = [*messages(on_time), *messages(late), control("provider-usage", day)]
    assert not run(renumbered(log)).incidents
    log = [*messages(on_time), control("provider-usage", day)]
    assert run(renumbered(log)).incidents


def test_the_month_has_what_came_late() -> None:
    late = [event(START + 30 * HOUR + n, cost_usd=7.0) for n in range(2)]
    for events in ([*use(KEY, HOURS), *late], use(KEY, HOURS)):
        state = run(messages(events)).fold.state_of(KEY)
        assert state is not None
        closed = state.history.month_nanos
        if events[-1] is late[-1]:
            with_late = closed
    assert with_late - closed == 14_000_000_000


def as_they_come(*bills: ProviderUsage, corrected: Sequence[ProviderUsage] = ()) -> Outcome:
    """What comes of bills as their windows end, and of corrections as they are observed."""
    log: list[Message] = [control("key", entry(KEY))]
    for hour in range(HOURS):
        log += messages(use(KEY, HOURS)[6 * hour : 6 * hour + 6])
        ended = START + (hour + 1) * HOUR
        log += [control("provider-usage", e) for e in bills if epoch(e.window_end) == ended]
        log += [control("provider-usage", e) for e in corrected if epoch(e.observed_at) == ended]
    return run(renumbered(log))


def test_a_theft_that_goes_on_is_added_up_beyond_the_bills_that_are_remembered() -> None:
    """Ten dollars an hour for two days: the last figure is not that of eight hours."""
    bills = [of_hour(hour, DOLLARS_AN_HOUR + 10.0) for hour in range(8, 56)]
    incidents = as_they_come(*bills).incidents
    assert len({each.incident_id for each in incidents}) == 1
    assert (incidents[-1].unseen_usd or 0.0) > 200.0
    assert "in the last" in incidents[-1].signals[0].summary


def test_a_corrected_window_is_added_up_once() -> None:
    theft = [of_hour(hour, 53.0) for hour in (50, 51)]
    again = [of_hour(hour, 53.0, observed_at=START + 58 * HOUR) for hour in (50, 51)]
    dearer = of_hour(52, 1003.0, observed_at=START + 59 * HOUR)
    assert told(*theft, *again, dearer)[-1] == pytest.approx(1100.0)


def test_so_is_one_that_is_corrected_when_it_is_forgotten() -> None:
    bills = [of_hour(hour, DOLLARS_AN_HOUR + 10.0) for hour in range(8, 56)]
    again = [
        of_hour(hour, DOLLARS_AN_HOUR + 11.0, observed_at=START + 52 * HOUR)
        for hour in range(20, 40)
    ]
    state = as_they_come(*bills, corrected=again).fold.state_of(KEY)
    assert state is not None
    assert state.history.books.unseen_nanos == 480_000_000_000


def test_another_theft_after_a_quiet_day_begins_anew() -> None:
    quiet = [of_hour(hour) for hour in range(26, 50)]
    first, second = of_hour(25, 53.0), of_hour(50, 103.0)
    state = as_they_come(first, *quiet, second).fold.state_of(KEY)
    assert state is not None
    assert state.history.books.unseen_nanos == 100_000_000_000
