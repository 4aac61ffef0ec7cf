"""A key with its owner: built from an archetype, then changed by what happens to it."""

import math
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.simulate.archetypes import Archetype
from pipeline.simulate.arrivals import DAY, Arrivals, Level, Rhythm, Rng, Texture
from pipeline.simulate.choice import log_uniform, pick
from pipeline.simulate.egress import Egress
from pipeline.simulate.habits import Habit, Home, home
from pipeline.simulate.parties import Client, Party, Phase, Population, grid
from pipeline.simulate.workload import INDEX as MODEL_INDEX
from pipeline.simulate.workload import MODELS, Workload, ask, dollars
from schemas.incident import Cause
from schemas.key_record import KeyRecord

TEAMS = ("search", "support", "growth", "platform", "data", "mobile", "research", "ops")


@dataclass(slots=True)
class Episode:
    """Something that happens to a key, before it is known which requests it brings."""

    kind: str
    start: float
    end: float
    malicious: bool = False
    cause: Cause | None = None
    accepted: tuple[Cause, ...] = ()
    strength: str | None = None
    party: Party | None = None
    """The party whose requests it consists of."""
    off_gateway_usd_per_hour: float = 0.0
    """What the provider bills beside the gateway."""


@dataclass(slots=True)
class Tenant:
    """A key, the parties that use it, and what happens."""

    record: KeyRecord
    archetype: str
    home: Home
    habit: Habit
    rng: Rng
    start: float
    end: float
    parties: list[Party]
    source: str
    """Which gateway or collector reports the requests."""
    priced: bool
    """Whether it reports what they cost."""
    billed: bool
    """Whether the provider's own figures are fetched."""
    episodes: list[Episode] = field(default_factory=list)

    @property
    def owner(self) -> Party:
        """The first party."""
        return self.parties[0]

    @property
    def country(self) -> str:
        """Where the owner is."""
        return self.home.country

    @property
    def zone(self) -> ZoneInfo:
        """The owner's time zone."""
        return self.home.zone

    def usd_per_day(self) -> float:
        """What the owner spends on an ordinary day."""
        count = 400
        rng = np.random.default_rng(1)
        nothing = Arrivals(np.zeros(count), np.zeros(count, int), np.arange(count) % 5)
        mean = float(dollars(ask(rng, self.habit.workload, nothing)).mean())
        return mean * self.habit.rhythm.per_day

    def join(  # noqa: PLR0913 # each argument is one way to differ from the owner
        self,
        start: float,
        end: float,
        *,
        per_hour: float,
        week: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None,
        texture: Texture | None = None,
        egress: Egress | None = None,
        client: Client | None = None,
        workload: Workload | None = None,
        users: Population | None = None,
        growth_per_day: float = 0.0,
        malicious: bool = False,
    ) -> Party:
        """Add a party; whatever is not said is as with the owner."""
        habit = self.habit
        rhythm = Rhythm(per_hour * 24, self.zone, np.ones(168) if week is None else week)
        phase = Phase(
            grid(start),
            min(grid(end), self.end),
            rhythm,
            texture or habit.texture,
            egress or habit.egress,
            client or habit.client,
            workload or habit.workload,
            growth_per_day=growth_per_day,
        )
        level = Level(self.rng, self.start, self.end, 0.25, 3)
        party = Party([phase], level, users, malicious=malicious)
        self.parties.append(party)
        return party


def tenant(
    rng: Rng, number: int, archetype: Archetype, span: tuple[float, float], volume: float
) -> Tenant:
    """A key of this archetype, used throughout the span (Unix seconds)."""
    at = home(rng, volume)
    habit = archetype(rng, at)
    name = archetype.__name__
    start, end = span
    phase = Phase(
        start,
        end,
        habit.rhythm,
        habit.texture,
        habit.egress,
        habit.client,
        habit.workload,
        growth_per_day=float(rng.normal(0, 0.006)),
    )
    users = Population(f"u{number}", habit.users) if habit.users else None
    owner = Party([phase], Level(rng, start, end, habit.wander, log_uniform(rng, 2, 30)), users)
    source = pick(rng, ("litellm", "litellm", "litellm", "otel", "openmeter"))
    made = Tenant(
        record=KeyRecord(key_id=f"key-{rng.integers(1 << 48):012x}"),
        archetype=name,
        home=at,
        habit=habit,
        rng=rng,
        start=start,
        end=end,
        parties=[owner],
        source=source,
        priced=source == "litellm",
        billed=bool(rng.random() < 0.6),
    )
    made.record = _record(rng, number, made)
    return made


def _record(rng: Rng, number: int, made: Tenant) -> KeyRecord:
    daily = _round_up(made.usd_per_day() * log_uniform(rng, 8, 25))
    known = rng.random() < 0.85
    model = MODELS[MODEL_INDEX[made.habit.workload.models[0]]]
    return KeyRecord(
        key_id=made.record.key_id,
        alias=f"{made.archetype}-{number}",
        team=pick(rng, TEAMS) if known else None,
        owner=f"owner{int(rng.integers(60))}@example.com" if known else None,
        environment=made.habit.environment,
        provider=model.provider,
        provider_key_id=f"pk-{rng.integers(1 << 48):012x}",
        gateway="main",
        timezone=made.zone.key if rng.random() < 0.5 else None,
        created_at=made.start - float(rng.uniform(1, 400)) * DAY,
        daily_budget_usd=daily if rng.random() < 0.4 else None,
        monthly_budget_usd=daily * 30 if rng.random() < 0.2 else None,
    )


def _round_up(value: float) -> float:
    scale = 10.0 ** math.floor(math.log10(max(value, 0.01)))
    return math.ceil(value / scale) * scale


def successor(old: Tenant, at: float) -> Tenant:
    """The key that takes over when the owner rotates one; the old one falls silent."""
    phases = [replace(p, start=max(p.start, grid(at))) for p in old.owner.phases if p.end > at]
    old.owner.phases = [
        replace(p, end=min(p.end, grid(at))) for p in old.owner.phases if p.start < at
    ]
    rng = np.random.default_rng(old.rng.integers(1 << 62))
    new = replace(
        old,
        record=KeyRecord(
            key_id=f"key-{rng.integers(1 << 48):012x}",
            alias=f"{old.record.alias}-next",
            team=old.record.team,
            owner=old.record.owner,
            environment=old.record.environment,
            provider=old.record.provider,
            provider_key_id=f"pk-{rng.integers(1 << 48):012x}",
            gateway="main",
            timezone=old.record.timezone,
            created_at=at - 3600,
        ),
        rng=rng,
        parties=[replace(old.owner, phases=phases)],
        episodes=[],
    )
    old.record.status = "rotated"
    old.record.status_changed_at = at + 7200
    old.record.__post_init__()
    return new
