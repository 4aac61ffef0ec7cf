"""Examples of `budget`: what it fires on, and near misses."""

import pytest

from detectors.calibration import SHIPPED
from pipeline.message import Message
from schemas.key_record import KeyRecord
from schemas.usage_event import UsageEvent
from tests.support.events import (
    DAY,
    HOUR,
    KEY,
    burst,
    control,
    event,
    in_time,
    messages,
    office,
    workday,
)
from tests.support.examples import NOW, TODAY, Example, findings, honest

OWNER = KeyRecord(key_id=KEY, daily_budget_usd=5.0)
MONTHLY = KeyRecord(key_id=KEY, monthly_budget_usd=8.0)
NOTHING = KeyRecord(key_id=KEY, daily_budget_usd=0.0)


def unknown(at: float, count: int) -> list[UsageEvent]:
    """Requests to a model without a price: about thirty cents each."""
    return burst(at, count, cost_usd=None, model="nobody-knows", input_tokens=1_000_000)


FIRES: dict[str, Example] = {
    "spent twice over": lambda: honest(burst(NOW, 100, cost_usd=0.1), record=OWNER),
    "spent by one request": lambda: honest([event(NOW, cost_usd=6.0)], record=OWNER),
    "the month's, within an hour": lambda: honest(burst(NOW, 100, cost_usd=0.1), record=MONTHLY),
    "half of it, and gone in minutes": lambda: honest(
        burst(NOW, 100, cost_usd=0.045), record=OWNER
    ),
    "nothing may be spent": lambda: honest(record=NOTHING),
    "nothing, in a month": lambda: honest(
        record=KeyRecord(key_id=KEY, daily_budget_usd=50.0, monthly_budget_usd=0.0)
    ),
    "of unknown price": lambda: honest(unknown(NOW, 20), record=OWNER),
}
TICKET = 5.2
QUIET: dict[str, Example] = {
    "a quarter of it in ten minutes": lambda: honest(burst(NOW, 12, cost_usd=0.1), record=OWNER),
    "half of the month's": lambda: honest(
        burst(NOW, 40, cost_usd=0.1), record=KeyRecord(key_id=KEY, monthly_budget_usd=800.0)
    ),
    "last month's": lambda: honest(
        burst(NOW, 25, cost_usd=0.1), burst(NOW + DAY, 25, cost_usd=0.1), record=MONTHLY
    ),
    "nothing, and nothing spent": lambda: [
        control("key", NOTHING),
        *messages(burst(NOW, 100, cost_usd=0.0)),
    ],
    "a quarter of it, of unknown price": lambda: honest(unknown(NOW, 4), record=OWNER),
    "no budget": lambda: honest(burst(NOW, 100, cost_usd=0.1), record=KeyRecord(key_id=KEY)),
    "spent over two days": lambda: honest(
        burst(NOW - DAY, 40, cost_usd=0.1), burst(NOW, 40, cost_usd=0.1), record=OWNER
    ),
}


def page_worthy(example: Example) -> bool:
    return any(each.score > TICKET for each in findings("budget", example))


def test_only_real_money_beyond_a_budget_wakes_anybody() -> None:
    small = KeyRecord(key_id=KEY, daily_budget_usd=0.5)
    assert page_worthy(lambda: honest(burst(NOW, 100, cost_usd=0.2), record=OWNER))
    assert not page_worthy(lambda: honest(burst(NOW, 100, cost_usd=0.015), record=small))


def test_half_beyond_a_budget_wakes_somebody_while_it_burns() -> None:
    ten = KeyRecord(key_id=KEY, daily_budget_usd=10.0)
    assert page_worthy(lambda: honest(burst(NOW, 160, cost_usd=0.1), record=ten))
    assert not page_worthy(lambda: honest(burst(NOW, 145, cost_usd=0.1), record=ten))
    before_midnight = burst(workday(TODAY, 23.2), 160, cost_usd=0.1)
    assert not page_worthy(lambda: honest(before_midnight, record=ten)), "the day is all but over"


def test_a_dollar_beyond_a_budget_is_a_ticket_and_little_more() -> None:
    found = findings("budget", lambda: honest([event(NOW, cost_usd=6.0)], record=OWNER))
    assert 0.0 < max(each.score for each in found) - SHIPPED.ticket_nats < 0.5


def test_a_month_that_was_spent_on_another_day_wakes_nobody_again() -> None:
    spent = burst(NOW - DAY, 200, cost_usd=1.0)
    cents = burst(NOW, 20, cost_usd=0.03)
    found = findings("budget", lambda: honest(spent, cents, record=MONTHLY))
    on_that_day = [each.score for each in found if each.evidence["usd_per_hour"] > 1.0]
    afterwards = [each.score for each in found if each.evidence["usd_per_hour"] < 1.0]
    assert max(on_that_day) > TICKET
    assert afterwards
    assert max(afterwards) <= TICKET


def test_a_day_that_costs_little_more_than_earlier_ones_is_a_ticket() -> None:
    dear = [burst(workday(day, 23.2), 100, cost_usd=0.1) for day in range(TODAY)]
    later = [event(NOW + 1.1 * HOUR)]  # when it is looked at for sure
    assert not page_worthy(
        lambda: honest(*dear, burst(NOW, 140, cost_usd=0.1), later, record=OWNER)
    )
    assert page_worthy(lambda: honest(*dear, burst(NOW, 200, cost_usd=0.1), later, record=OWNER))
    assert page_worthy(lambda: honest(burst(NOW, 140, cost_usd=0.1), later, record=OWNER))


def test_a_budget_of_a_young_key_may_be_what_is_wrong() -> None:
    def second_day(requests: int) -> list[Message]:
        spent = burst(workday(1, 12), requests, cost_usd=0.1)
        return [control("key", OWNER), *messages(in_time(office(1), spent), 60)]

    assert findings("budget", lambda: second_day(150))
    assert not page_worthy(lambda: second_day(150))
    assert not page_worthy(lambda: second_day(240)), "not twenty dollars beyond it"
    assert page_worthy(lambda: second_day(300))


def test_what_has_no_price_is_not_free_and_a_guess_wakes_nobody() -> None:
    def example() -> list[Message]:
        return honest(unknown(NOW, 200), burst(NOW, 9, cost_usd=0.5), record=OWNER)

    found = findings("budget", example)
    assert max(each.score for each in found) == TICKET
    last = found[-1]
    assert last.evidence["spend_usd"] < 5.0
    assert last.evidence["guessed_usd"] > 5.0
    assert " of unknown price spent this day, " in last.summary


def test_what_has_no_price_counts_for_the_month_when_its_day_is_over() -> None:
    days = [unknown(NOW + day * DAY, 6) for day in range(8)]
    month = KeyRecord(key_id=KEY, monthly_budget_usd=8.0)
    found = findings("budget", lambda: honest(*days, record=month))
    assert found
    assert found[0].evidence["guessed_usd"] > 4.0


def test_where_nothing_may_be_spent_the_first_dollars_wake_somebody() -> None:
    found = findings("budget", lambda: honest(record=NOTHING))
    assert max(each.score for each in found) <= TICKET, "a few cents"
    assert "spent this day, where the budget is $0.00" in found[0].summary
    assert page_worthy(lambda: honest(burst(NOW, 100, cost_usd=0.1), record=NOTHING))


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("budget", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("budget", example)
