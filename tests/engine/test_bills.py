"""A bill is held against what the gateway saw only as far back as the records reach."""

import pytest

from detectors.baselines.billing import BILLS_MAX, DAYS_MAX, LEDGER_HOURS
from schemas.gateway_use import GatewayUse, UseQuestion
from tests.reconcile.bills import DOLLARS_AN_HOUR, bill, entry, use
from tests.support.events import (
    DAY,
    HOUR,
    KEY,
    START,
    control,
    event,
    messages,
    packed,
    renumbered,
    run,
)

THEFT_DOLLARS = 50.0


def billed(first_hour: float, *, registered: bool, hours: int = 120) -> set[str]:
    """Causes of what is said after so many hours of use, when one hour of it is billed."""
    start = START + first_hour * HOUR
    due = bill(
        THEFT_DOLLARS,
        key_id=KEY,
        window_start=start,
        window_end=start + HOUR,
        observed_at=START + hours * HOUR,
    )
    log = [control("key", entry(KEY))] if registered else []
    log += [*messages(use(KEY, hours)), control("provider-usage", due)]
    return {each.cause for each in run(log).incidents}


@pytest.mark.parametrize("hour", [119, 110, 120 - LEDGER_HOURS + 2])
def test_a_theft_is_found_as_far_back_as_the_ledger_reaches(hour: int) -> None:
    assert billed(hour, registered=True) == {"off_gateway"}


def test_what_the_ledger_has_forgotten_is_not_taken_for_stolen() -> None:
    assert not billed(120 - LEDGER_HOURS - 2, registered=True)


def test_without_a_ledger_only_the_hours_that_are_open_can_be_compared() -> None:
    assert not billed(100, registered=False)
    assert billed(119, registered=False) == {"off_gateway"}


def told_of_days(days: float, dollars: float, *, first: float, last: float) -> set[str]:
    """Causes of what is said after so many days of use, when days are billed for the first time."""
    due = bill(
        dollars,
        key_id=KEY,
        window_start=START + first * DAY,
        window_end=START + last * DAY,
        observed_at=START + days * DAY,
    )
    log = [*messages(use(KEY, int(24 * days))), control("provider-usage", due)]
    return {each.cause for each in run(log).incidents}


DOLLARS_A_DAY = 24 * DOLLARS_AN_HOUR


@pytest.mark.parametrize("days", [5, 5.5, 6])
def test_the_first_bill_of_a_day_is_compared_without_a_ledger(days: float) -> None:
    """The day just ended, half a day ago, or a day ago: an hour of theft in it."""
    stolen = DOLLARS_A_DAY + THEFT_DOLLARS
    assert told_of_days(days, stolen, first=4, last=5) == {"off_gateway"}
    assert not told_of_days(days, DOLLARS_A_DAY, first=4, last=5)


def test_the_first_bill_may_be_of_some_days() -> None:
    whole = DAYS_MAX * DOLLARS_A_DAY
    assert not told_of_days(5.5, whole, first=5 - DAYS_MAX, last=5)
    assert told_of_days(5.5, whole + THEFT_DOLLARS, first=5 - DAYS_MAX, last=5) == {"off_gateway"}


def test_days_that_are_forgotten_are_not_taken_for_stolen() -> None:
    assert not told_of_days(5.5, THEFT_DOLLARS * 10, first=4 - DAYS_MAX, last=5 - DAYS_MAX)


def test_days_say_nothing_of_a_window_that_begins_or_ends_within_one() -> None:
    assert not told_of_days(5.5, THEFT_DOLLARS * 10, first=4, last=4.5)
    assert not told_of_days(5.5, THEFT_DOLLARS * 10, first=3.5, last=5)


def test_the_second_bill_is_compared_with_days_where_the_ledger_began_within_it() -> None:
    days = [
        bill(
            DOLLARS_A_DAY + stolen,
            key_id=KEY,
            window_start=START + day * DAY,
            window_end=START + (day + 1) * DAY,
            observed_at=START + (day + 1.5) * DAY,
        )
        for day, stolen in ((3, 0.0), (4, THEFT_DOLLARS))
    ]
    events = use(KEY, 132)
    first, second = events[: 108 * 6], events[108 * 6 :]
    log = [
        *messages(first),
        control("provider-usage", days[0]),
        *messages(second),
        control("provider-usage", days[1]),
    ]
    assert {each.cause for each in run(renumbered(log)).incidents} == {"off_gateway"}


def test_a_window_whose_end_is_corrected_takes_no_other_windows_place() -> None:
    starts = [START + number * HOUR for number in range(BILLS_MAX)]
    ends = [*(start + HOUR for start in starts), starts[-1] + 2 * HOUR]
    log = [
        control(
            "provider-usage",
            bill(DOLLARS_AN_HOUR, key_id=KEY, window_start=start, window_end=end),
        )
        for start, end in zip([*starts, starts[-1]], ends, strict=True)
    ]
    state = run(renumbered([*messages(use(KEY, 12)), *log])).fold.state_of(KEY)
    assert state is not None
    bills = {each.start: each for each in state.history.books.bills.values()}
    assert sorted(bills) == starts
    assert bills[int(starts[-1])].end == ends[-1]


def test_a_key_that_was_first_seen_within_the_window_is_not_judged() -> None:
    assert not billed(-0.5, registered=True, hours=3)


def test_a_question_counts_what_is_not_in_the_windows_yet() -> None:
    """And asking changes nothing: answers come again after a crash."""
    question = UseQuestion(
        question_id="q",
        part=0,
        key_ids=[KEY, "unknown"],
        window_start=START,
        window_end=START + HOUR,
    )
    events = [event(START + 60 + n, cost_usd=0.5) for n in range(3)]
    outcome = run([packed(events)])
    first, second = (outcome.fold.fold(control("gateway-use", question)).answers for _ in range(2))
    assert first == second
    assert first[0].use == GatewayUse(3, 3 * 1020, 1_500_000_000, START + 60)


def test_bills_that_grow_are_told_again() -> None:
    dues = [
        bill(
            dollars,
            key_id=KEY,
            window_start=START + (60 + n) * HOUR,
            window_end=START + (61 + n) * HOUR,
            observed_at=START + (62 + n) * HOUR,
        )
        for n, dollars in enumerate((50.0, 60.0, 50_000.0, 50_000.0))
    ]
    log = [*messages(use(KEY, 60)), *(control("provider-usage", due) for due in dues)]
    told = [each.unseen_usd or 0.0 for each in run(log).incidents]
    assert [round(usd, -1) for usd in told] == [50, 50_110]
