"""A labelled fleet: simulated day by day, merged in order of time, the same on every run."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np

from pipeline.simulate.archetypes import CORE, Archetype
from pipeline.simulate.arrivals import DAY
from pipeline.simulate.billing import Billing
from pipeline.simulate.parties import Table
from pipeline.simulate.rare import RARE
from pipeline.simulate.rows import concatenate, deliver, events, ordered, take
from pipeline.simulate.schedule import KINDS, attack_some, change_some, fail_providers
from pipeline.simulate.tenants import Tenant, tenant
from pipeline.simulate.truth import Truth
from schemas.key_record import KeyRecord
from schemas.label import Label
from schemas.provider_usage import ProviderUsage
from schemas.usage_event import UsageEvent

FIRST: Final = datetime(2010, 1, 1, tzinfo=UTC)
"""Nothing older is taken for a request to a language model (`schemas.plausibility`)."""
LAST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""The store's times end soon after it."""


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What to simulate."""

    keys: int = 300
    days: int = 14
    seed: int = 1
    start: datetime = datetime(2025, 10, 13, tzinfo=UTC)
    """Rounded down to midnight UTC. Daylight saving ends in Europe on 26 October 2025."""
    attack_rate: float = 0.15
    """Share of the keys that are attacked."""
    change_rate: float = 0.35
    """Share of the other keys that go through a benign change."""
    kinds: tuple[str, ...] = ()
    """Kinds of attack; all when empty."""
    volume: float = 1.0
    """Factor on every owner's number of requests."""
    disorder: float = 0.0
    """Share of the events that come late, out of order or twice."""
    rare: float = 0.0
    """Share of keys of archetypes that a default fleet does not have."""

    def __post_init__(self) -> None:
        start, end = self.span
        if not FIRST.timestamp() <= start < end <= LAST.timestamp():
            days = f"{FIRST:%Y-%m-%d} to {LAST:%Y-%m-%d}"
            raise ValueError(f"every day of a fleet must lie in {days}")
        if self.keys < 1 or self.days < 1:
            raise ValueError("keys and days must be at least 1")
        for name in ("attack_rate", "change_rate", "disorder", "rare"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0 to 1")
        if unknown := sorted(set(self.kinds) - set(KINDS)):
            raise ValueError(f"no kind of attack: {unknown[0]}; there are {', '.join(KINDS)}")

    @property
    def span(self) -> tuple[float, float]:
        """First and last moment in Unix seconds."""
        start = self.start.timestamp() // DAY * DAY
        return start, start + self.days * DAY

    @property
    def quiet_days(self) -> float:
        """Nothing happens before: there is something to learn from."""
        return min(4.0, self.days * 0.35)


PRESETS: dict[str, FleetSettings] = {
    "small": FleetSettings(keys=30, days=7, volume=0.5),
    "default": FleetSettings(),
    "attacks": FleetSettings(attack_rate=0.6, change_rate=0.6),
    "honest": FleetSettings(attack_rate=0.0),
    "held-out": FleetSettings(
        keys=200, seed=90_001, attack_rate=0.4, change_rate=0.7, rare=0.25, volume=0.3
    ),
    "large": FleetSettings(keys=10_000, days=7, volume=0.5),
}


@dataclass(slots=True)
class Day:
    """What a day brings, in order of time."""

    events: Iterator[UsageEvent]
    """To be read before the next day is asked for."""
    count: int
    """How many events there are."""
    provider_usage: list[ProviderUsage]
    labels: list[Label] = field(default_factory=list)
    """All of the fleet's labels, with the last day."""


class Fleet:
    """A simulated fleet. Nothing is kept: every pass over `days` simulates anew, and the same."""

    def __init__(self, settings: FleetSettings) -> None:
        self.settings = settings

    def registry(self) -> list[KeyRecord]:
        """The key registry, as it is at the end."""
        return [t.record for t in self._tenants()]

    def events(self) -> Iterator[UsageEvent]:
        """Every event, in the order in which the log has them."""
        for day in self.days():
            yield from day.events

    def days(self) -> Iterator[Day]:
        """Day by day; memory holds one day of the fleet at a time."""
        tenants = self._tenants()
        rng = np.random.default_rng((self.settings.seed, 2))
        billing, truth = Billing(tenants, rng), Truth(tenants)
        start, end = self.settings.span
        left: Table = {}
        for first in np.arange(start, end, DAY).tolist():
            last = first + DAY
            fresh = concatenate(list(self._day(tenants, first, last)))
            if fresh:
                fresh = deliver(fresh, rng, self.settings.disorder)
            table = ordered(concatenate([left, fresh]))
            table, left = _split(table, last, final=last >= end)
            truth.see(table)
            billing.see(table)
            yield Day(
                events(table, tenants),
                len(table["time"]) if table else 0,
                billing.until(last),
                truth.labels(billing.stolen) if last >= end else [],
            )

    def _day(self, tenants: list[Tenant], first: float, last: float) -> Iterator[Table]:
        for number, tenant_ in enumerate(tenants):
            for place, party in enumerate(tenant_.parties):
                for table in party.use(tenant_.rng, first, last):
                    count = len(table["time"])
                    table["tenant"] = np.full(count, number)
                    table["party"] = np.full(count, place)
                    table["nonce"] = tenant_.rng.integers(1 << 62, size=count)
                    yield table

    def _tenants(self) -> list[Tenant]:
        settings = self.settings
        rng = np.random.default_rng((settings.seed, 1))
        tenants = [
            tenant(
                np.random.default_rng((settings.seed, 3, number)),
                number,
                _archetype(rng, settings.rare),
                settings.span,
                settings.volume,
            )
            for number in range(settings.keys)
        ]
        quiet = settings.quiet_days
        hit = attack_some(rng, tenants, settings.attack_rate, quiet, settings.kinds)
        tenants += change_some(rng, tenants, settings.change_rate, quiet, hit)
        if settings.change_rate > 0 and settings.days >= 7:
            fail_providers(rng, tenants, quiet)
        return tenants


def simulate(settings: FleetSettings) -> Fleet:
    """A labelled fleet with these settings."""
    return Fleet(settings)


def _archetype(rng: np.random.Generator, rare: float) -> Archetype:
    kinds = RARE if rng.random() < rare else CORE
    weights = np.array(list(kinds.values()))
    return list(kinds)[int(rng.choice(len(kinds), p=weights / weights.sum()))]


def _split(table: Table, last: float, *, final: bool) -> tuple[Table, Table]:
    """What the log has by a time, and what comes later; nothing comes after the end."""
    if not table:
        return {}, {}
    place = int(np.searchsorted(table["delivered"], last))
    return take(table, slice(0, place)), {} if final else take(table, slice(place, None))
