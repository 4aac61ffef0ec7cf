"""The budget of dead letters."""

import pytest

from pipeline.workers.budget import DeadLetterBudget, DeadLetterBudgetExceededError


def test_few_events_are_not_judged() -> None:
    budget = DeadLetterBudget(0.5, events=10)
    budget.spend(9, 9)


def test_a_share_above_the_limit_stops() -> None:
    budget = DeadLetterBudget(0.5, events=10)
    budget.spend(1, 0)
    budget.spend(9, 5)
    with pytest.raises(DeadLetterBudgetExceededError, match="6 of the last 10"):
        budget.spend(1, 1)


def test_old_events_are_forgotten() -> None:
    budget = DeadLetterBudget(0.5, events=10)
    for _ in range(5):
        budget.spend(1, 1)
        budget.spend(1, 0)
    for _ in range(10):
        budget.spend(1, 0)
    for _ in range(5):
        budget.spend(1, 1)
    with pytest.raises(DeadLetterBudgetExceededError):
        budget.spend(1, 1)


def test_a_large_packed_message_is_judged_by_itself() -> None:
    budget = DeadLetterBudget(0.5, events=10)
    budget.spend(1000, 400)
    with pytest.raises(DeadLetterBudgetExceededError):
        budget.spend(1000, 600)


def test_a_share_of_one_never_stops() -> None:
    DeadLetterBudget(1.0, events=10).spend(100, 100)
