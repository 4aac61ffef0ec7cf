"""The money that the owner set aside is going, or gone."""

from detectors.contract import Detector, Finding, KeyView, Trigger, dollars

_BURN_FACTOR = 15.0
"""An hour at so many times the budget's pace wakes somebody once the budget is well spent …"""
_WELL_OVER = 2.0
_FAR_OVER = 2.5
"""… and so does a day that costs so many budgets, however it came to it."""
_NANOS_MIN = 2_000_000_000
"""Less than two dollars wakes nobody."""


class Budget(Detector):
    """Spend of the UTC day, and the rate of the last quarter of an hour, against the budget."""

    name = "budget"
    question = "Does the key stay within its budget?"
    catches = "Days that cost a multiple of what the owner agreed to."
    misses = "Keys without a budget in the registry."
    advice = "Ask the owner; raise the budget if the use is wanted, throttle the key if not."
    triggers = Trigger.HOUR | Trigger.VOLUME | Trigger.WATCHED
    causes = {"budget": 1.0}
    score_max = 10.0

    def judge(self, key: KeyView) -> Finding | None:
        daily = key.record.daily_budget_usd if key.record else None
        if not daily:
            return None
        budget = daily * 1e9
        spent = key.today.nanos
        if spent < budget:
            return None
        burn = max(key.last_15m.nanos * 96, key.this_hour.nanos * 24)
        if burn < max(budget, _NANOS_MIN / 4):
            return None
        urgent = spent >= _FAR_OVER * budget or (
            spent >= _WELL_OVER * budget and key.this_hour.nanos * 24 >= _BURN_FACTOR * budget
        )
        urgent = urgent and spent >= _NANOS_MIN
        return Finding(
            score=8.5 if urgent else 5.2,
            since=key.now // 86400 * 86400,
            summary=(
                f"{dollars(spent)} spent today, {spent / budget:.0%} of the daily budget of "
                f"{dollars(budget)}; at this rate {dollars(burn)} a day."
            ),
            evidence={
                "spend_usd_today": spent / 1e9,
                "daily_budget_usd": daily,
                "burn_usd_per_day": burn / 1e9,
            },
        )
