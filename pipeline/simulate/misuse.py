"""Attacks that a key's own story tells: asleep, revoked, planted, beside the gateway, in a loop."""

from dataclasses import replace

import numpy as np

from pipeline.simulate.arrivals import (
    DAY,
    HOUR,
    Flow,
    Pulse,
    Sessions,
)
from pipeline.simulate.parties import Party, Phase
from pipeline.simulate.theft import Theft

BUDGET_MIN_USD = 2.0
"""Nobody agrees on a budget of cents."""
BURN_PER_HOUR_MAX = 3000.0


def dormant_wakes(theft: Theft) -> Party:
    """A key that nobody has used for days comes to life elsewhere."""
    silent_days = min(float(theft.tenant.rng.uniform(4, 8)), (theft.at - theft.tenant.start) / DAY)
    stop = theft.at - silent_days * DAY
    # Something was seen of the key, or it would be a new one.
    theft.tenant.owner.change(max(stop, theft.tenant.start + DAY), theft.tenant.end, _silent)
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((2, 12), (6, 24))),
        per_hour=theft.level((60, 600), (4, 15)),
        texture=Sessions(15, 10),
        egress=theft.rented(),
        client=theft.tool(),
        workload=theft.loot(),
    )


def revoked_used(theft: Theft) -> Party:
    """Somebody still tries a revoked key; in the strong version a gateway still serves it."""
    tenant = theft.tenant
    revoked_at = theft.at - float(tenant.rng.uniform(1, 24)) * HOUR
    tenant.owner.change(revoked_at - HOUR, tenant.end, _silent)
    tenant.record.status, tenant.record.status_changed_at = "revoked", revoked_at
    tenant.record.__post_init__()
    refused = replace(tenant.habit.workload, failures={401: 1.0})
    return tenant.join(
        theft.at,
        theft.until(theft.level((2, 12), (2, 12))),
        per_hour=theft.level((40, 400), (5, 20)),
        texture=Sessions(10, 8),
        egress=theft.rented(),
        client=theft.tool(),
        workload=theft.loot() if theft.strong else refused,
    )


def canary_touched(theft: Theft) -> Party:
    """A planted key is tried."""
    tenant = theft.tenant
    tenant.owner.change(tenant.start, tenant.end, _silent)
    tenant.record.canary = True
    pulse = Pulse(int(theft.level((5, 30), (1, 4))), 10, theft.at + 5)
    return tenant.join(
        theft.at,
        theft.until(1),
        per_hour=1,
        texture=pulse,
        egress=theft.rented(),
        client=theft.tool(),
        workload=theft.loot(),
    )


def off_gateway(theft: Theft) -> Party:
    """The provider's key itself is used, beside the gateway: only the bill shows it."""
    theft.tenant.billed = True
    hours = theft.level((6, 24), (12, 48))
    return theft.tenant.join(theft.at, theft.until(hours), per_hour=0, texture=Flow())


def runaway(theft: Theft) -> Party:
    """The owner's own client in a loop: one source, one model, the same request again and again."""
    habit = theft.tenant.habit
    gap = theft.level((0.3, 1.2), (3, 8))
    hours = theft.level((0.5, 4), (1.5, 6))
    same = replace(
        habit.workload,
        models=habit.workload.models[:1],
        shares=(1.0,),
        input_median=habit.workload.input_median * 2,
        input_sigma=0.02,
        context_growth=0.0,
    )
    return theft.tenant.join(
        theft.at,
        theft.until(hours + 0.5),
        per_hour=1,
        texture=Pulse(int(hours * HOUR / gap), gap, theft.at + 5),
        workload=same,
    )


def budget_burn(theft: Theft) -> Party:
    """The owner's own use at many times the agreed daily budget."""
    tenant = theft.tenant
    budget = max(round(tenant.usd_per_day() * 2.0, 2), BUDGET_MIN_USD)
    tenant.record.daily_budget_usd = budget
    usd_per_request = max(tenant.usd_per_day() / theft.own_rate / 24, 1e-9)
    per_hour = budget * theft.level((6, 20), (2.5, 4.5)) / 24 / usd_per_request
    return tenant.join(
        theft.at,
        theft.until(theft.level((12, 36), (24, 48))),
        per_hour=min(per_hour, BURN_PER_HOUR_MAX),
        week=np.ones(168),
    )


def _silent(phase: Phase) -> Phase:
    return replace(phase, scale=0.0)
