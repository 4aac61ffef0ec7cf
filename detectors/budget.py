"""The money that the owner set aside is going, or gone."""

from calendar import monthrange
from datetime import UTC, datetime
from typing import NamedTuple

from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import dollars, span

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
_TODAY = 0.1
"""A budget of the month that was spent on other days has been told of then."""
_EARLY = 0.5
_EARLY_FACTOR = 20.0
"""Half a budget, and an hour at so many times its pace: it is all but gone, which can wait."""
_OVERSPENT_NANOS = 2_000_000_000
"""Less than two dollars beyond a budget wakes nobody …"""
_BEYOND = 1.5
"""… nor does a day that costs less than so many times the dearest so far: its owner let it be …"""
_YOUNG_SECONDS = 3 * _DAY_SECONDS
_YOUNG_OVER = 5.0
_YOUNG_OVERSPENT_NANOS = 20_000_000_000
"""… and of a key that was first seen so lately, nobody knows what a day costs: it takes so many
budgets, and so much beyond."""
_GONE_NATS = 5.2
"""A budget that is gone is for a ticket …"""
_CHEAP_NATS = 4.4
"""… and with less than those two dollars beyond, hardly for a page beside something else."""


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
    about = "facts"

    def judge(self, key: KeyView) -> Finding | None:
        budgets = _budgets(key)
        if not budgets:
            return None
        # The hour before counts for the time that this one has not lasted yet.
        part = key.now / 3600 - key.hour
        hourly = key.this_hour.nanos + (1.0 - part) * key.windows.spend_of(key.hour - 1)
        scored = [(_score(each, hourly, key), each) for each in budgets]
        score, worst = max(scored, key=lambda each: each[0])
        if not score:
            return None
        share, forecast = worst.spent / worst.limit, _forecast(worst, hourly, key.now)
        left = max(0.0, worst.limit - worst.spent) / max(hourly, 1.0) * 3600.0
        end = f"the {worst.name} ends at {forecast / worst.limit:,.1f} times the budget"
        return Finding(
            score=score,
            since=worst.since,
            summary=(
                f"{dollars(worst.spent)} spent this {worst.name}, {share:.0%} of the budget of "
                f"{dollars(worst.limit)}; at the last hour's {dollars(hourly)} "
                f"{f'it is gone in {span(left)}' if left else end}."
            ),
            evidence={
                "period": worst.name,
                "spend_usd": worst.spent / 1e9,
                "budget_usd": worst.limit / 1e9,
                "usd_per_hour": hourly / 1e9,
                "forecast_usd": forecast / 1e9,
            },
        )

    def began(self, key: KeyView, finding: Finding) -> None:
        """Money that is gone by now was mostly spent as it should be."""
        del key, finding


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
        days = monthrange(first.year, first.month)[1]
        limit = record.monthly_budget_usd * 1e9
        budgets.append(_Budget("month", limit, key.month_nanos, month, days * _DAY_SECONDS))
    return budgets


def _forecast(budget: _Budget, hourly: float, now: float) -> float:
    left_hours = max(0.0, budget.since + budget.length - now) / 3600.0
    return budget.spent + hourly * left_hours


def _score(budget: _Budget, hourly: float, key: KeyView) -> float:
    pace = hourly * budget.length / 3600.0 / budget.limit
    share = budget.spent / budget.limit
    urgent = share >= _FAR_OVER or (
        share >= _OVER
        and pace >= _BURN_FACTOR
        and _forecast(budget, hourly, key.now) >= _FORECAST * budget.limit
    )
    dear = budget.spent - budget.limit >= _OVERSPENT_NANOS
    goes_on = pace >= _FAST and key.today.nanos >= _TODAY * budget.limit
    if urgent and goes_on and dear and _is_news(budget, key):
        return 8.5
    gone = (share >= 1.0 and pace >= 1.0) or (share >= _EARLY and pace >= _EARLY_FACTOR)
    if not gone:
        return 0.0
    return _GONE_NATS if dear else _CHEAP_NATS


def _is_news(budget: _Budget, key: KeyView) -> bool:
    """Whether the key's earlier days did not go as far beyond the budget."""
    if key.now - key.history.first_seen >= _YOUNG_SECONDS:
        return key.today.nanos >= _BEYOND * key.history.volume.records.nanos_1d
    beyond = budget.spent - budget.limit
    return budget.spent >= _YOUNG_OVER * budget.limit and beyond >= _YOUNG_OVERSPENT_NANOS
