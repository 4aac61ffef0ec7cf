"""The money that the owner set aside is going, or gone."""

from datetime import UTC, datetime
from typing import NamedTuple

from detectors.contract import Detector, Finding, KeyView, Trigger, dollars, span

_DAY_SECONDS = 86_400.0
_OVER = 1.5
"""A budget is well spent from here on …"""
_BURN_FACTOR = 4.0
"""… and wakes somebody when the last hour went at so many times its pace, to so many budgets …"""
_FORECAST = 3.0
_FAR_OVER = 2.5
"""… or when so many are spent, however it came to it."""
_FAST = 2.5
"""Whoever has come back to an ordinary pace need not be stopped."""
_EARLY = 0.5
_EARLY_FACTOR = 20.0
_RECORD_FACTOR = 2.0
"""Half a budget, and an hour at so many times its pace and far above every hour before, is a
budget that is all but gone."""
_NANOS_MIN = 1_000_000_000
"""Less than a dollar wakes nobody."""


class _Budget(NamedTuple):
    """A budget, in nano-dollars and seconds."""

    name: str
    limit: float
    spent: int
    since: float
    length: float


class Budget(Detector):
    """Spend of the UTC day and month, and the rate of the last hour, against the budgets.

    The rate says when the budget will be gone, and what the whole day or month would come to.
    """

    name = "budget"
    question = "Does the key stay within its budget?"
    catches = "Days and months that cost a multiple of what the owner agreed to."
    misses = "Keys without a budget in the registry."
    advice = "Ask the owner; raise the budget if the use is wanted, throttle the key if not."
    triggers = Trigger.HOUR | Trigger.VOLUME | Trigger.WATCHED
    causes = {"budget": 1.0}
    score_max = 10.0

    def judge(self, key: KeyView) -> Finding | None:
        # The hour before counts for the time that this one has not lasted yet.
        before = key.windows.hours.get(key.hour - 1)
        part = key.now / 3600 - key.hour
        hourly = key.this_hour.nanos + (1.0 - part) * (before.nanos if before else 0)
        found = [each for each in _budgets(key) if each.spent >= _EARLY * each.limit]
        record = _RECORD_FACTOR * key.history.volume.records.nanos_1h
        scored = [(_score(each, hourly, key.now, rushes=hourly > record), each) for each in found]
        score, worst = max(scored, key=lambda each: each[0], default=(0.0, None))
        if worst is None or not score:
            return None
        share, forecast = worst.spent / worst.limit, _forecast(worst, hourly, key.now)
        left = max(0.0, worst.limit - worst.spent) / max(hourly, 1.0) * 3600.0
        gone = f"gone in {span(left)}" if left else f"{forecast / worst.limit:,.1f} budgets"
        return Finding(
            score=score,
            since=worst.since,
            summary=(
                f"{dollars(worst.spent)} spent this {worst.name}, {share:.0%} of the budget of "
                f"{dollars(worst.limit)}; at the {dollars(hourly)} of the last hour it will be "
                f"{gone}."
            ),
            evidence={
                "period": worst.name,
                "spend_usd": worst.spent / 1e9,
                "budget_usd": worst.limit / 1e9,
                "usd_per_hour": hourly / 1e9,
                "forecast_usd": forecast / 1e9,
            },
        )


def _budgets(key: KeyView) -> list[_Budget]:
    record = key.record
    budgets: list[_Budget] = []
    if record is None:
        return budgets
    if record.daily_budget_usd:
        day = key.now // _DAY_SECONDS * _DAY_SECONDS
        limit = record.daily_budget_usd * 1e9
        budgets.append(_Budget("day", limit, key.today.nanos, day, _DAY_SECONDS))
    if record.monthly_budget_usd:
        first = datetime.fromtimestamp(key.now, UTC).replace(day=1, hour=0, minute=0, second=0)
        month = first.replace(microsecond=0).timestamp()
        limit = record.monthly_budget_usd * 1e9
        budgets.append(_Budget("month", limit, key.month_nanos, month, 30 * _DAY_SECONDS))
    return budgets


def _forecast(budget: _Budget, hourly: float, now: float) -> float:
    left_hours = max(0.0, budget.since + budget.length - now) / 3600.0
    return budget.spent + hourly * left_hours


def _score(budget: _Budget, hourly: float, now: float, *, rushes: bool) -> float:
    pace = hourly * budget.length / 3600.0 / budget.limit
    share = budget.spent / budget.limit
    urgent = (
        share >= _FAR_OVER
        or (
            share >= _OVER
            and pace >= _BURN_FACTOR
            and _forecast(budget, hourly, now) >= _FORECAST * budget.limit
        )
        or (rushes and pace >= _EARLY_FACTOR)
    )
    if share < _EARLY or pace < 1.0:
        return 0.0
    if urgent and pace >= _FAST and budget.spent >= _NANOS_MIN:
        return 8.5
    return 5.2 if share >= 1.0 else 0.0
