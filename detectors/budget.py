"""The money that the owner set aside is going, or gone."""

import math
from calendar import monthrange
from datetime import UTC, datetime
from typing import NamedTuple

from detectors.baselines.windows import MINUTES_KEPT, HourWindow
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import dollars, span
from detectors.worth import guess

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
    known: int
    guessed: int
    """What requests without a price may have cost."""
    since: float
    length: float

    @property
    def spent(self) -> int:
        return self.known + self.guessed


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
        hourly = _hourly(key)
        scored = [(_score(each, hourly, key), each) for each in budgets]
        score, worst = max(scored, key=lambda each: each[0])
        if not score:
            return None
        guessed = {"guessed_usd": worst.guessed / 1e9} if worst.guessed else {}
        return Finding(
            score=score,
            since=worst.since,
            summary=_summary(worst, hourly, key.now),
            evidence={
                "period": worst.name,
                "spend_usd": worst.known / 1e9,
                "budget_usd": worst.limit / 1e9,
                "usd_per_hour": hourly / 1e9,
                "forecast_usd": _forecast(worst, worst.spent, hourly, key.now) / 1e9,
            }
            | guessed,
        )

    def began(self, key: KeyView, finding: Finding) -> None:
        """Money that is gone by now was mostly spent as it should be."""
        del key, finding


def _budgets(key: KeyView) -> list[_Budget]:
    record = key.record
    budgets: list[_Budget] = []
    if record is None:
        return budgets
    if record.daily_budget_usd is not None:
        day = key.now // _DAY_SECONDS * _DAY_SECONDS
        limit, today = record.daily_budget_usd * 1e9, key.today
        budgets.append(_Budget("day", limit, today.nanos, guess(today), day, _DAY_SECONDS))
    if record.monthly_budget_usd is not None:
        first = datetime.fromtimestamp(key.now, UTC).replace(day=1, hour=0, minute=0, second=0)
        month = first.replace(microsecond=0).timestamp()
        length = monthrange(first.year, first.month)[1] * _DAY_SECONDS
        limit, known = record.monthly_budget_usd * 1e9, key.month_nanos
        budgets.append(_Budget("month", limit, known, key.month_guessed, month, length))
    return budgets


def _hourly(key: KeyView) -> float:
    """Nano-dollars: the hour before counts for the time that this one has not lasted yet."""
    part = key.now / 3600 - key.hour
    nanos = key.this_hour.nanos + (1.0 - part) * key.windows.spend_of(key.hour - 1)
    return nanos + _guessed_hourly(key, part) if key.today.unpriced else nanos


def _guessed_hourly(key: KeyView, part: float) -> float:
    """The same of what has no price; when the hour before has closed, its last minutes tell."""
    before = key.windows.hours.get(key.hour - 1) or HourWindow()
    lately = guess(key.windows.recent(key.minute, MINUTES_KEPT)) * 60.0 / MINUTES_KEPT
    return max(lately, guess(key.this_hour) + (1.0 - part) * guess(before))


def _summary(budget: _Budget, hourly: float, now: float) -> str:
    guessed = f" and about {dollars(budget.guessed)} of unknown price" if budget.guessed else ""
    spent = f"{dollars(budget.known)}{guessed} spent this {budget.name}"
    if not budget.limit:
        return (
            f"{spent}, where the budget is {dollars(0)}; the last hour's rate is {dollars(hourly)}."
        )
    left = max(0.0, budget.limit - budget.spent) / max(hourly, 1.0) * 3600.0
    forecast = _forecast(budget, budget.spent, hourly, now) / budget.limit
    end = f"the {budget.name} ends at {forecast:,.1f} times the budget"
    return (
        f"{spent}, {budget.spent / budget.limit:.0%} of the budget of {dollars(budget.limit)}; "
        f"at the last hour's {dollars(hourly)} {f'it is gone in {span(left)}' if left else end}."
    )


def _forecast(budget: _Budget, spent: int, hourly: float, now: float) -> float:
    left_hours = max(0.0, budget.since + budget.length - now) / 3600.0
    return spent + hourly * left_hours


def _share(nanos: float, limit: float) -> float:
    """How many budgets it is; of nothing, anything is too many."""
    if limit:
        return nanos / limit
    return math.inf if nanos else 0.0


def _score(budget: _Budget, hourly: float, key: KeyView) -> float:
    pace = _share(hourly * budget.length / 3600.0, budget.limit)
    known, share = _share(budget.known, budget.limit), _share(budget.spent, budget.limit)
    # What is guessed wakes nobody.
    urgent = known >= _FAR_OVER or (
        known >= _OVER
        and pace >= _BURN_FACTOR
        and _forecast(budget, budget.known, hourly, key.now) >= _FORECAST * budget.limit
    )
    goes_on = pace >= _FAST and key.today.nanos >= _TODAY * budget.limit
    overspent = budget.known - budget.limit >= _OVERSPENT_NANOS
    if urgent and goes_on and overspent and _is_news(budget, key):
        return 8.5
    gone = (share >= 1.0 and pace >= 1.0) or (share >= _EARLY and pace >= _EARLY_FACTOR)
    if not gone:
        return 0.0
    return _GONE_NATS if budget.spent - budget.limit >= _OVERSPENT_NANOS else _CHEAP_NATS


def _is_news(budget: _Budget, key: KeyView) -> bool:
    """Whether the key's earlier days did not go as far beyond the budget."""
    if key.now - key.history.first_seen >= _YOUNG_SECONDS:
        return key.today.nanos >= _BEYOND * key.history.volume.records.nanos_1d
    beyond = budget.known - budget.limit
    return budget.known >= _YOUNG_OVER * budget.limit and beyond >= _YOUNG_OVERSPENT_NANOS
