"""A bill is held against what the gateway saw only as far back as the records reach."""

import pytest

from detectors.baselines.billing import LEDGER_HOURS
from schemas.gateway_use import GatewayUse, UseQuestion
from tests.reconcile.bills import bill, entry, use
from tests.support.events import HOUR, KEY, START, control, event, messages, packed, run

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
