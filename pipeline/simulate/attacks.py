"""Attacks, each in a strong and a weak version: who takes a key, from where, and what for."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.simulate import addresses as nets
from pipeline.simulate import clients
from pipeline.simulate.arrivals import (
    DAY,
    HOUR,
    Cascade,
    Flow,
    Pulse,
    Sessions,
    local_offsets,
)
from pipeline.simulate.choice import log_uniform, pick
from pipeline.simulate.egress import Mixed, Rotating
from pipeline.simulate.loot import PROBE_FAILURES, loot, menu, stuffing
from pipeline.simulate.parties import Client, Party, Phase, Population, grid
from pipeline.simulate.tenants import Tenant
from pipeline.simulate.workload import MODELS, Workload


@dataclass(frozen=True, slots=True)
class Theft:
    """A key, when it is taken, and how hard it is used."""

    tenant: Tenant
    at: float
    strong: bool

    def level(self, strong: tuple[float, float], weak: tuple[float, float]) -> float:
        """A log-uniform number from one of two ranges."""
        return log_uniform(self.tenant.rng, *(strong if self.strong else weak))

    def until(self, hours: float) -> float:
        """A time so many hours later, within the simulation."""
        return min(self.at + hours * HOUR, self.tenant.end)

    def elsewhere(self, networks: tuple[nets.Network, ...]) -> tuple[nets.Network, ...]:
        """Those of the networks that are not in the owner's country."""
        return tuple(n for n in networks if n.country != self.tenant.country) or networks

    def rented(self, width: int = 1) -> Rotating:
        """A few rented machines abroad, or an anonymiser."""
        networks = self.elsewhere(nets.CHEAP_HOSTS)
        if self.tenant.rng.random() < 0.2:
            networks = self.elsewhere(nets.ANONYMISERS)
        return Rotating((pick(self.tenant.rng, networks),), 12 * HOUR, width)

    def tool(self) -> Client:
        """A client that thieves like."""
        return Client((clients.agent(self.tenant.rng, clients.THIEVES),))

    def loot(self) -> Workload:
        """What is worth stealing at this provider."""
        return loot(self.tenant.rng, self.tenant.record.provider or "openai", dear=self.strong)

    @property
    def own_rate(self) -> float:
        """The owner's requests an hour."""
        return self.tenant.habit.rhythm.per_day / 24


def stolen_bulk(theft: Theft) -> Party:
    """A stolen key used in bulk from rented machines abroad."""
    rng = theft.tenant.rng
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((1, 8), (2, 10))),
        per_hour=theft.level((500, 5000), (40, 160)),
        texture=Flow(2.0) if rng.random() < 0.6 else Sessions(60, 3),
        egress=theft.rented(int(rng.integers(1, 6))),
        client=theft.tool(),
        workload=theft.loot(),
    )


def slow_thief(theft: Theft) -> Party:
    """A stolen key used a little at a time, for days."""
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((48, 96), (72, 120))),
        per_hour=theft.level((8, 30), (2, 6)),
        texture=Sessions(6, 40),
        egress=theft.rented(),
        client=theft.tool(),
        workload=theft.loot(),
    )


def resale(theft: Theft) -> Party:
    """The key is behind somebody's cheap proxy: many strangers, round the clock."""
    width = int(theft.level((40, 200), (8, 20)))
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((18, 60), (24, 72))),
        per_hour=theft.level((300, 2500), (30, 90)),
        texture=Sessions(8, 20, 1.2),
        egress=Rotating(nets.HOMES + nets.CHEAP_HOSTS, 6 * HOUR, width, near=False),
        client=Client(clients.several(theft.tenant.rng, clients.THIEVES + clients.PEOPLE, 8)),
        workload=menu(theft.tenant.rng, theft.tenant.record.provider or "openai"),
        users=Population("guest", width * 4) if theft.strong else None,
    )


def probe_then_spend(theft: Theft) -> Party:
    """First a look at what the key can do, minutes later the use of it."""
    rng = theft.tenant.rng
    egress, client = theft.rented(), theft.tool()
    spend_at = theft.at + float(rng.uniform(300, 1500))
    party = theft.tenant.join(
        spend_at,
        spend_at + theft.level((1, 6), (2, 8)) * HOUR,
        per_hour=theft.level((400, 3000), (30, 120)),
        texture=Flow(2.0),
        egress=egress,
        client=client,
        workload=theft.loot(),
    )
    tries = tuple(m.name for m in MODELS if m.output_usd > 0)
    listing = Workload(("gpt-4o",), (1,), operation="models.list", failures={})
    tiny = Workload(
        tries,
        tuple(1.0 for _ in tries),
        input_median=9,
        output_median=2,
        output_sigma=0.3,
        failures=PROBE_FAILURES,
    )
    looks = (
        (listing, Pulse(int(rng.integers(1, 5)), 4, theft.at + 1)),
        (tiny, Pulse(int(theft.level((20, 80), (6, 15))), 3, theft.at + 15)),
    )
    template = party.phases[0]
    for workload, texture in looks:
        end = template.start
        party.phases.append(
            replace(
                template,
                start=grid(theft.at),
                end=max(end, grid(theft.at) + 600),
                workload=workload,
                texture=texture,
            )
        )
    return party


def token_stuffing(theft: Theft) -> Party:
    """Few requests with enormous prompts, by somebody who sits where the owner does."""
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((1, 4), (2, 8))),
        per_hour=theft.level((60, 300), (10, 25)),
        texture=Flow(2.0),
        workload=stuffing(theft.tenant.habit.workload, theft.level((70e3, 140e3), (25e3, 50e3))),
    )


def off_hours(theft: Theft) -> Party:
    """A burst in the owner's night, from the owner's network."""
    local = theft.at + float(local_offsets(np.array([theft.at]), theft.tenant.zone)[0])
    night = theft.at + ((1.5 + theft.tenant.rng.uniform(0, 2)) * HOUR - local) % DAY
    return theft.tenant.join(
        night,
        min(night + theft.level((1.5, 3), (1.5, 3)) * HOUR, theft.tenant.end),
        per_hour=max(theft.level((250, 1500), (40, 120)), theft.own_rate),
        texture=Sessions(30, 4),
    )


def mimic(theft: Theft) -> Party:
    """Same country, same client, same hours, same models: only the network differs."""
    habit = theft.tenant.habit
    line = pick(theft.tenant.rng, nets.homes(theft.tenant.country))
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((12, 48), (24, 72))),
        per_hour=theft.own_rate * theft.level((2, 6), (0.4, 1)) + theft.level((40, 100), (5, 12)),
        week=habit.rhythm.week,
        texture=Sessions(15, 15),
        egress=Rotating((line,), 2 * DAY),
    )


def browser_exposed(theft: Theft) -> Party:
    """The key is in a web page: browsers of strangers, with an origin."""
    site = f"https://{pick(theft.tenant.rng, ('promo', 'beta', 'labs', 'chat'))}.example.org"
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((12, 48), (24, 72))),
        per_hour=theft.level((120, 900), (12, 40)),
        texture=Sessions(4, 30),
        egress=Rotating(nets.HOMES, 0, near=False),
        client=Client(clients.BROWSERS, (site,)),
    )


def forum_shared(theft: Theft) -> Party:
    """Somebody posts the key: a crowd that grows by the hour."""
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((12, 36), (24, 48))),
        per_hour=theft.level((20, 80), (4, 10)),
        texture=Sessions(10, 20, 1.3),
        egress=Rotating(nets.HOMES + nets.CHEAP_HOSTS + nets.ANONYMISERS, 0, near=False),
        client=Client(clients.several(theft.tenant.rng, clients.THIEVES + clients.PEOPLE, 12)),
        workload=menu(theft.tenant.rng, theft.tenant.record.provider or "openai"),
        growth_per_day=theft.level((8, 30), (3, 8)),
    )


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


def expensive_switch(theft: Theft) -> Party:
    """From the owner's own cloud, but for the dearest models there are."""
    theft_loot = loot(theft.tenant.rng, theft.tenant.record.provider or "openai", dear=True)
    near = Rotating((pick(theft.tenant.rng, nets.CLOUDS),), DAY)
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((2, 8), (4, 12))),
        per_hour=theft.level((60, 400), (6, 20)),
        texture=Flow(2.0),
        egress=Mixed((theft.tenant.habit.egress, near), (1, 1)),
        workload=theft_loot,
    )


def interleaved(theft: Theft) -> Party:
    """Two people far apart use the key in the same hours."""
    away = pick(theft.tenant.rng, theft.elsewhere(nets.HOMES))
    return theft.tenant.join(
        theft.at,
        theft.until(theft.level((24, 72), (24, 72))),
        per_hour=theft.level((30, 120), (4, 12)),
        week=theft.tenant.habit.rhythm.week,
        texture=Sessions(12, 25),
        egress=Rotating((away,), 3 * DAY),
    )


def slow_ramp(theft: Theft) -> Party:
    """A thief who doubles the use day by day, from the owner's own cloud or line."""
    rng, tenant = theft.tenant.rng, theft.tenant
    lines = nets.CLOUDS + nets.homes(tenant.country)
    return tenant.join(
        theft.at,
        theft.until(theft.level((72, 120), (96, 140))),
        per_hour=max(theft.own_rate * 0.1, theft.level((6, 20), (1.5, 4))),
        texture=Cascade(0.6, 30),
        egress=Rotating((pick(rng, lines),), 2 * DAY),
        growth_per_day=theft.level((2, 5), (1, 2)),
        workload=theft.loot(),
    )


def budget_burn(theft: Theft) -> Party:
    """The owner's own use at many times the agreed daily budget."""
    tenant = theft.tenant
    tenant.record.daily_budget_usd = max(round(tenant.usd_per_day() * 2.0, 2), 0.5)
    return tenant.join(
        theft.at,
        theft.until(theft.level((12, 36), (24, 48))),
        per_hour=theft.own_rate * theft.level((12, 40), (5, 9)),
        week=np.ones(168),
    )


def _silent(phase: Phase) -> Phase:
    return replace(phase, scale=0.0)
