"""Honest keys, by kind: who owns them, how much they are used, when, from where and for what.

`CORE` is what a fleet has by default.
"""

from collections.abc import Callable

import numpy as np

from pipeline.simulate import addresses as nets
from pipeline.simulate import clients
from pipeline.simulate.arrivals import (
    Cascade,
    Flow,
    Rhythm,
    Rng,
    Runs,
    Sessions,
    day_week,
    evening_week,
    flat_week,
    office_week,
)
from pipeline.simulate.choice import log_uniform, pick
from pipeline.simulate.egress import Commuter, Mixed, Pool, Rotating
from pipeline.simulate.habits import Habit, Home, gateways, server
from pipeline.simulate.parties import Client
from pipeline.simulate.workloads import (
    agentic,
    classification,
    conversation,
    drafting,
    embeddings,
    retrieval,
)


def backend(rng: Rng, at: Home) -> Habit:
    """A steady service: round the clock, noisy, from a few addresses of a cloud."""
    week = day_week(rng, 0.8) if rng.random() < 0.7 else flat_week(rng)
    return Habit(
        Rhythm(at.per_day(rng, 500), at.zone, week),
        Flow(dispersion=log_uniform(rng, 0.7, 8)),
        gateways(rng, int(rng.integers(1, 5))),
        server(rng),
        pick(rng, (retrieval, conversation, classification))(rng),
        users=int(log_uniform(rng, 20, 5000)) if rng.random() < 0.4 else 0,
    )


def office(rng: Rng, at: Home) -> Habit:
    """People at work: sessions in office hours, the office's address or their own."""
    own = Rotating((at.line(rng),), 4 * 86_400, width=int(rng.integers(1, 6)))
    site = Pool(tuple(nets.addresses(rng, at.line(rng), int(rng.integers(1, 3)))))
    return Habit(
        Rhythm(at.per_day(rng, 120, 1.0), at.zone, office_week(rng)),
        Sessions(log_uniform(rng, 4, 20), log_uniform(rng, 15, 60)),
        Commuter(site, own, at.zone, float(rng.uniform(0.05, 0.6))),
        Client(clients.several(rng, clients.PEOPLE, int(rng.integers(1, 4)))),
        pick(rng, (drafting, agentic))(rng),
        wander=0.45,
        environment=pick(rng, ("prod", "dev", "dev")),
    )


def ci(rng: Rng, at: Home) -> Habit:
    """Build jobs: bursts when somebody pushes, a new cloud address each time."""
    networks = pick(rng, ((nets.BY_NAME["github-actions"],), nets.CLOUDS[:3], nets.CLOUDS[6:8]))
    return Habit(
        Rhythm(at.per_day(rng, 200), at.zone, office_week(rng, stray=0.05)),
        Sessions(log_uniform(rng, 10, 80), log_uniform(rng, 1, 6), 0.8),
        Rotating(networks, 0 if rng.random() < 0.6 else 86_400, near=False),
        server(rng),
        classification(rng),
        wander=0.5,
        environment="dev",
    )


def nightly(rng: Rng, at: Home) -> Habit:
    """A batch at a fixed local hour, from one place."""
    requests = at.per_day(rng, 400)
    rhythm = Rhythm(requests, at.zone, np.ones(168))
    runs = Runs(at.zone, float(rng.uniform(0, 6)), requests, log_uniform(rng, 600, 9000))
    job = pick(rng, (retrieval, embeddings, classification))(rng)
    return Habit(rhythm, runs, gateways(rng, 1), server(rng), job, wander=0.15)


def agents(rng: Rng, at: Home) -> Habit:
    """A fleet of agents: quiet, then cascades of requests with growing context."""
    return Habit(
        Rhythm(at.per_day(rng, 350, 1.2), at.zone, day_week(rng, 0.6)),
        Cascade(float(rng.uniform(0.75, 0.95)), log_uniform(rng, 5, 40)),
        gateways(rng, int(rng.integers(1, 4))),
        server(rng),
        agentic(rng),
        wander=0.5,
    )


def serverless(rng: Rng, at: Home) -> Habit:
    """Cloud functions: the outgoing address changes by the hour."""
    functions = Rotating((pick(rng, nets.CLOUDS),), log_uniform(rng, 1200, 14_400), width=6)
    return Habit(
        Rhythm(at.per_day(rng, 300), at.zone, day_week(rng)),
        Flow(dispersion=log_uniform(rng, 0.5, 4)),
        functions,
        Client(clients.several(rng, ("openai-node", "vercel-ai", "node-fetch"), 1)),
        pick(rng, (conversation, classification))(rng),
        users=int(log_uniform(rng, 20, 2000)) if rng.random() < 0.5 else 0,
    )


def app(rng: Rng, at: Home) -> Habit:
    """A consumer app behind its own backend: few addresses, many end users."""
    week = evening_week(rng) if rng.random() < 0.6 else day_week(rng, 1.1)
    return Habit(
        Rhythm(at.per_day(rng, 600), at.zone, week),
        Sessions(log_uniform(rng, 2, 8), log_uniform(rng, 10, 60), 0.8),
        gateways(rng, int(rng.integers(2, 6))),
        server(rng),
        conversation(rng),
        users=int(log_uniform(rng, 100, 20_000)),
    )


def notebook(rng: Rng, at: Home) -> Habit:
    """A data scientist: days of silence, then hours of work, at home, in cafés, on the road."""
    places = Rotating((at.line(rng), at.line(rng)), 2 * 86_400, width=2, near=False)
    return Habit(
        Rhythm(at.per_day(rng, 60, 1.1), at.zone, office_week(rng, stray=0.12)),
        Sessions(log_uniform(rng, 10, 60), log_uniform(rng, 10, 40), 1.2),
        places,
        Client(clients.several(rng, ("openai-python", "httpx", "langchain"), 2)),
        pick(rng, (drafting, retrieval, embeddings))(rng),
        wander=0.8,
        environment="dev",
    )


def demo(rng: Rng, at: Home) -> Habit:
    """A key for demonstrations: hardly used, then shown to a room."""
    return Habit(
        Rhythm(at.per_day(rng, 12, 0.6), at.zone, office_week(rng)),
        Sessions(12, 40, 1.0),
        Rotating((at.line(rng),), 86_400, near=False),
        Client(clients.several(rng, ("curl", "openai-python", "vercel-ai"), 2)),
        conversation(rng),
        wander=0.7,
        environment="demo",
    )


def trickle(rng: Rng, at: Home) -> Habit:
    """A key with five requests a day."""
    return Habit(
        Rhythm(at.per_day(rng, 6, 0.3), at.zone, day_week(rng)),
        Flow(dispersion=1.0),
        gateways(rng, 1),
        server(rng),
        pick(rng, (classification, drafting))(rng),
    )


def heavy(rng: Rng, at: Home) -> Habit:
    """A product's main key: tens of thousands of requests a day."""
    return Habit(
        Rhythm(at.per_day(rng, 8_000, 0.8), at.zone, day_week(rng, 0.85)),
        Flow(dispersion=log_uniform(rng, 3, 20)),
        gateways(rng, int(rng.integers(4, 12))),
        server(rng),
        pick(rng, (conversation, classification))(rng),
        wander=0.15,
        users=int(log_uniform(rng, 1000, 50_000)),
    )


def regions(rng: Rng, at: Home) -> Habit:
    """A service in two to four regions at once."""
    count = int(rng.integers(2, 5))
    pools = tuple(gateways(rng, int(rng.integers(1, 4))) for _ in range(count))
    return Habit(
        Rhythm(at.per_day(rng, 800), at.zone, flat_week(rng, 0.35)),
        Flow(dispersion=log_uniform(rng, 1, 8)),
        Mixed(pools, tuple(rng.uniform(0.3, 1, count).tolist())),
        server(rng),
        pick(rng, (conversation, retrieval))(rng),
        users=int(log_uniform(rng, 100, 5000)),
    )


def team(rng: Rng, at: Home) -> Habit:
    """Several colleagues on one key, one of them perhaps abroad."""
    abroad = pick(rng, nets.HOMES) if rng.random() < 0.4 else at.line(rng)
    lines = (*(at.line(rng) for _ in range(int(rng.integers(2, 5)))), abroad)
    homes_of = Mixed(
        tuple(Rotating((line,), 6 * 86_400) for line in lines), tuple(1.0 for _ in lines)
    )
    site = Pool(tuple(nets.addresses(rng, at.line(rng), 1)))
    return Habit(
        Rhythm(at.per_day(rng, 300, 1.0), at.zone, office_week(rng, stray=0.04)),
        Sessions(log_uniform(rng, 6, 25), log_uniform(rng, 15, 60)),
        Commuter(site, homes_of, at.zone, 0.5),
        Client(clients.several(rng, clients.PEOPLE, 4)),
        pick(rng, (drafting, agentic))(rng),
        wander=0.4,
        users=len(lines) if rng.random() < 0.5 else 0,
    )


Archetype = Callable[[Rng, Home], Habit]
CORE: dict[Archetype, float] = {
    backend: 5,
    office: 4,
    ci: 2,
    nightly: 2,
    agents: 3,
    serverless: 2,
    app: 3,
    notebook: 2,
    demo: 1,
    trickle: 2,
    heavy: 0.4,
    regions: 1.5,
    team: 2,
}
"""Share of the fleet, in relative numbers."""
