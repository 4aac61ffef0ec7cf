"""Honest keys of rarer kinds, kept apart: detectors tuned without them can be judged on them."""

import numpy as np

from pipeline.simulate import addresses as nets
from pipeline.simulate import clients
from pipeline.simulate.archetypes import Archetype
from pipeline.simulate.arrivals import Flow, Rhythm, Rng, Sessions, flat_week, office_week
from pipeline.simulate.choice import log_uniform, pick
from pipeline.simulate.egress import Pool, Rotating
from pipeline.simulate.habits import Habit, Home, gateways
from pipeline.simulate.parties import Client
from pipeline.simulate.workloads import classification, retrieval


def edge_worker(rng: Rng, at: Home) -> Habit:
    """Functions at the edge of a network: dozens of addresses in many countries."""
    return Habit(
        Rhythm(at.per_day(rng, 800), at.zone, flat_week(rng, 0.3)),
        Flow(dispersion=log_uniform(rng, 0.5, 3)),
        Rotating(nets.CLOUDS, 10_800, width=24, near=False),
        Client(("Cloudflare-Workers", "workerd")),
        classification(rng),
        users=int(log_uniform(rng, 50, 3000)),
    )


def cluster(rng: Rng, at: Home) -> Habit:
    """A research cluster: experiments that run for hours at full speed, days apart."""
    return Habit(
        Rhythm(at.per_day(rng, 1200, 1.0), at.zone, flat_week(rng, 0.4)),
        Sessions(250, 2.5, 1.3),
        Pool(tuple(nets.addresses(rng, at.line(rng), 3))),
        Client((clients.agent(rng, ("aiohttp", "async-openai-python")),)),
        retrieval(rng),
        wander=1.0,
        environment="dev",
    )


def sheet(rng: Rng, at: Home) -> Habit:
    """Formulas of a spreadsheet that all recalculate at once."""
    return Habit(
        Rhythm(at.per_day(rng, 80), at.zone, office_week(rng)),
        Sessions(30, 0.6, 1.0),
        Rotating((nets.BY_NAME["gcp-us-central1"],), 3600, width=8, near=False),
        Client((clients.FAMILIES["spreadsheet"][0],)),
        classification(rng),
        wander=0.6,
    )


def hourly_poller(rng: Rng, at: Home) -> Habit:
    """A cron job on a rented machine that asks a little many times a day."""
    rented = gateways(rng, 1, pick(rng, nets.CHEAP_HOSTS))
    return Habit(
        Rhythm(at.per_day(rng, 150, 0.8), at.zone, np.ones(168)),
        Sessions(log_uniform(rng, 3, 10), 1.5, 0.4),
        rented,
        Client((clients.agent(rng, ("requests", "curl", "go")),)),
        classification(rng),
        wander=0.1,
    )


RARE: dict[Archetype, float] = {edge_worker: 1, cluster: 1, sheet: 1, hourly_poller: 1}
