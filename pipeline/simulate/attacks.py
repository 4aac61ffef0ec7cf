"""Thefts, each in a strong and a weak version: who takes a key, from where, and what for."""

from dataclasses import replace

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
from pipeline.simulate.choice import pick
from pipeline.simulate.egress import Mixed, Rotating
from pipeline.simulate.loot import PROBE_FAILURES, loot, menu, stuffing
from pipeline.simulate.parties import Client, Party, Population, grid
from pipeline.simulate.theft import Theft
from pipeline.simulate.workload import MODELS, Workload


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
