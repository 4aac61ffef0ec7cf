"""Benign changes: what owners do, and what happens to them, that must not page anybody."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.simulate import addresses as nets
from pipeline.simulate import clients
from pipeline.simulate.arrivals import DAY, HOUR, Rng, Sessions, local_offsets
from pipeline.simulate.choice import log_uniform, pick
from pipeline.simulate.egress import Mixed, Rotating
from pipeline.simulate.habits import gateways
from pipeline.simulate.parties import Client, Phase
from pipeline.simulate.tenants import Episode, Tenant

MACHINES = frozenset(
    [
        "backend",
        "nightly",
        "agents",
        "serverless",
        "app",
        "heavy",
        "regions",
        "trickle",
        "hourly_poller",
    ]
)
PEOPLE = frozenset(["office", "notebook", "team", "demo"])
JOBS = frozenset(["nightly", "ci", "cluster"])
EVERYONE = MACHINES | PEOPLE | JOBS | frozenset({"edge_worker", "sheet"})

SUCCESSORS = {
    "gpt-4o": "gpt-4.1",
    "gpt-4o-mini": "gpt-4.1-mini",
    "gpt-4.1": "gpt-5",
    "gpt-4.1-mini": "gpt-5-mini",
    "gpt-4.1-nano": "gpt-4.1-mini",
    "gpt-5-mini": "gpt-5",
    "o3": "gpt-5",
    "claude-3-5-haiku-20241022": "claude-haiku-4-5",
    "claude-haiku-4-5": "claude-sonnet-4-20250514",
    "claude-sonnet-4-20250514": "claude-opus-4-5",
    "gemini-2.0-flash": "gemini-2.5-flash",
    "mistral-small-latest": "mistral-large-latest",
    "text-embedding-3-small": "text-embedding-3-large",
}

Span = tuple[float, float]
"""When a change begins and ends, in Unix seconds."""


def launch(tenant: Tenant, at: float) -> Span:
    """A product launch: three to eight times the requests for a day or three."""
    factor = float(tenant.rng.uniform(3, 8))
    return _during(tenant, at, tenant.rng.uniform(1, 3), lambda p: replace(p, scale=factor))


def migration(tenant: Tenant, at: float) -> Span:
    """The service moves to another cloud region; for an hour both are used."""
    new = gateways(tenant.rng, int(tenant.rng.integers(1, 5)))
    both = Mixed((tenant.habit.egress, new), (1, 1))
    tenant.owner.change(at, at + HOUR, lambda p: replace(p, egress=both))
    tenant.owner.change(at + HOUR, tenant.end, lambda p: replace(p, egress=new))
    return at, at + DAY


def model_upgrade(tenant: Tenant, at: float) -> Span:
    """The owner moves to newer models, often dearer ones."""

    def upgrade(phase: Phase) -> Phase:
        models = tuple(SUCCESSORS.get(m, m) for m in phase.workload.models)
        return replace(phase, workload=replace(phase.workload, models=models))

    tenant.owner.change(at, tenant.end, upgrade)
    return at, at + DAY


def travel(tenant: Tenant, at: float) -> Span:
    """Somebody works from another country for some days: hotels, mobile lines."""
    away = pick(tenant.rng, [n for n in nets.HOMES if n.country != tenant.country])
    there = Rotating((away,), DAY, width=1, near=False)
    return _during(tenant, at, tenant.rng.uniform(2, 5), lambda p: replace(p, egress=there))


def rerun(tenant: Tenant, at: float) -> Span:
    """A batch is run once more, by day."""
    requests = tenant.habit.rhythm.per_day * float(tenant.rng.uniform(0.7, 1.3))
    hours = log_uniform(tenant.rng, 0.5, 3)
    tenant.join(at, at + hours * HOUR, per_hour=requests / hours, texture=Sessions(40, 2, 0.8))
    return at, at + hours * HOUR


def lull(tenant: Tenant, at: float) -> Span:
    """Holidays: hardly anything for a day or two, then back to normal."""
    return _during(tenant, at, tenant.rng.uniform(1, 2.5), lambda p: replace(p, scale=0.06))


def growth(tenant: Tenant, at: float) -> Span:
    """Usage grows by a tenth to a third of its size each day."""
    pace = float(tenant.rng.uniform(0.1, 0.35))
    tenant.owner.change(at, tenant.end, lambda p: replace(p, growth_per_day=pace))
    return at, tenant.end


def retry_storm(tenant: Tenant, at: float) -> Span:
    """The provider refuses for half an hour, and the client tries again and again."""

    def storm(phase: Phase) -> Phase:
        failing = replace(phase.workload, failures={429: 0.45, 503: 0.25})
        return replace(phase, scale=phase.scale * 3, workload=failing)

    minutes = tenant.rng.uniform(15, 60)
    return _during(tenant, at, minutes * 60 / DAY, storm)


def colleague(tenant: Tenant, at: float) -> Span:
    """Somebody new uses the key as well, from a line of their own."""
    line = pick(tenant.rng, nets.homes(tenant.country))
    tenant.join(
        at,
        tenant.end,
        per_hour=tenant.habit.rhythm.per_day / 24 * float(tenant.rng.uniform(0.2, 0.8)),
        week=tenant.habit.rhythm.week,
        texture=Sessions(10, 30),
        egress=Rotating((line,), 5 * DAY),
        client=Client((clients.agent(tenant.rng, clients.PEOPLE),)),
    )
    return at, at + 2 * DAY


def sdk_upgrade(tenant: Tenant, at: float) -> Span:
    """A new version of the client."""

    def upgrade(phase: Phase) -> Phase:
        newer = tuple(clients.newer(tenant.rng, agent) for agent in phase.client.agents)
        return replace(phase, client=replace(phase.client, agents=newer))

    tenant.owner.change(at, tenant.end, upgrade)
    return at, at + DAY


def weekend_work(tenant: Tenant, at: float) -> Span:
    """A deadline: the weekend is worked through."""
    local = at + float(local_offsets(np.array([at]), tenant.zone)[0])
    to_saturday = (2 - local // DAY) % 7
    start = at + to_saturday * DAY
    week = np.tile(tenant.habit.rhythm.week.reshape(7, 24)[:5].mean(axis=0), 7)

    def work(phase: Phase) -> Phase:
        return replace(phase, rhythm=replace(phase.rhythm, week=week))

    tenant.owner.change(start, start + 1.6 * DAY, work)
    return start, start + 1.6 * DAY


def longer_prompts(tenant: Tenant, at: float) -> Span:
    """A new feature sends more context with each request."""
    factor = float(tenant.rng.uniform(1.8, 4))

    def lengthen(phase: Phase) -> Phase:
        longer = replace(phase.workload, input_median=phase.workload.input_median * factor)
        return replace(phase, workload=longer)

    tenant.owner.change(at, tenant.end, lengthen)
    return at, at + DAY


def _during(tenant: Tenant, at: float, days: float, apply: Callable[[Phase], Phase]) -> Span:
    end = min(at + days * DAY, tenant.end)
    tenant.owner.change(at, end, apply)
    return at, end


@dataclass(frozen=True, slots=True)
class Change:
    """A benign change and the archetypes that it can happen to."""

    apply: Callable[[Tenant, float], Span]
    suits: frozenset[str]

    @property
    def kind(self) -> str:
        """The label's kind."""
        return self.apply.__name__

    def happen(self, tenant: Tenant, at: float) -> None:
        """Change the tenant, and note the episode."""
        tenant.episodes.append(Episode(self.kind, *self.apply(tenant, at)))


CHANGES = (
    Change(launch, MACHINES - {"trickle"}),
    Change(migration, MACHINES),
    Change(model_upgrade, EVERYONE),
    Change(travel, PEOPLE),
    Change(rerun, JOBS),
    Change(lull, EVERYONE),
    Change(growth, EVERYONE),
    Change(retry_storm, MACHINES | JOBS),
    Change(colleague, PEOPLE),
    Change(sdk_upgrade, EVERYONE),
    Change(weekend_work, PEOPLE),
    Change(longer_prompts, EVERYONE),
)


def outage(tenants: list[Tenant], provider: str, at: float, rng: Rng) -> None:
    """The provider fails for everybody at once; afterwards clients catch up."""
    end = at + float(rng.uniform(1200, 4800))
    for tenant in tenants:
        if tenant.record.provider != provider or tenant.record.canary:
            continue

        def fail(phase: Phase) -> Phase:
            failures = {503: 0.55, 504: 0.15, 429: 0.1}
            return replace(phase, workload=replace(phase.workload, failures=failures))

        tenant.owner.change(at, end, fail)
        tenant.owner.change(end, end + 1200, lambda p: replace(p, scale=p.scale * 1.8))
        tenant.episodes.append(Episode("provider_outage", at, end + 1200))
