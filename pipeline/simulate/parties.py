"""Who uses a key, and how: a party has a place, a client and a workload that change with time.

The owner of a key is a party; so are a new colleague and a thief. What happens to a key is told as
changes to its parties' phases, so that honest and malicious traffic come out of one machine and
differ only in what they do.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.simulate.arrivals import (
    BIN_SECONDS,
    DAY,
    Arrivals,
    Ints,
    Level,
    Rhythm,
    Rng,
    Texture,
)
from pipeline.simulate.egress import Egress, unit
from pipeline.simulate.workload import Strings, Workload, ask


@dataclass(frozen=True, slots=True)
class Client:
    """The software that sends the requests."""

    agents: tuple[str, ...]
    """User agents; a session keeps one."""
    origins: tuple[str, ...] = ()
    """HTTP origins of browsers; none for servers."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time in which a party behaves in one way."""

    start: float
    end: float
    rhythm: Rhythm
    texture: Texture
    egress: Egress
    client: Client
    workload: Workload
    scale: float = 1.0
    """Factor on the rate."""
    growth_per_day: float = 0.0
    """Relative change of the rate per day since the start of the phase."""


@dataclass(frozen=True, slots=True)
class Population:
    """End users behind a key, a few of whom do most."""

    prefix: str
    count: int

    def assign(self, sessions: Ints) -> Strings:
        """The user of each session, by a heavy-tailed rank."""
        rank = np.minimum((self.count ** unit(sessions)).astype(np.int64), self.count)
        return np.array([f"{self.prefix}-{r}" for r in rank.tolist()], dtype=object)


Table = dict[str, npt.NDArray[Any]]
"""Columns of requests, all of one length: see `Party.use`."""


@dataclass(slots=True)
class Party:
    """Someone who uses a key."""

    phases: list[Phase]
    level: Level
    users: Population | None = None
    malicious: bool = False

    def change(self, start: float, end: float, apply: Callable[[Phase], Phase]) -> None:
        """Let the party behave differently between two times."""
        start, end = grid(start), grid(end)
        phases: list[Phase] = []
        for phase in self.phases:
            first, last = max(phase.start, start), min(phase.end, end)
            if first >= last:
                phases.append(phase)
                continue
            if phase.start < first:
                phases.append(replace(phase, end=first))
            phases.append(apply(replace(phase, start=first, end=last)))
            if last < phase.end:
                phases.append(replace(phase, start=last))
        self.phases = phases

    def use(self, rng: Rng, start: float, end: float) -> list[Table]:
        """What the party asks for between two times (some sessions run on past the end)."""
        parts = (self._phase(rng, phase, start, end) for phase in self.phases)
        return [part for part in parts if part is not None]

    def _phase(self, rng: Rng, phase: Phase, start: float, end: float) -> Table | None:
        first, last = max(start, phase.start), min(end, phase.end)
        if first >= last:
            return None
        starts = np.arange(first, last, BIN_SECONDS)
        growth = np.maximum(0, 1 + phase.growth_per_day * (starts - phase.start) / DAY)
        rates = phase.rhythm.rates(starts) * self.level.at(starts) * phase.scale * growth
        arrivals = _within(phase.texture.arrive(rng, starts, rates), first, phase.end)
        return self._table(rng, phase, arrivals) if len(arrivals.times) else None

    def _table(self, rng: Rng, phase: Phase, arrivals: Arrivals) -> Table:
        users = self.users
        return {
            "time": arrivals.times,
            "client_ip": phase.egress.assign(rng, arrivals),
            "user_agent": _by_session(phase.client.agents, arrivals.sessions),
            "origin": _by_session(phase.client.origins or (None,), arrivals.sessions),
            "end_user": users.assign(arrivals.sessions)
            if users
            else np.full(len(arrivals.times), None, dtype=object),
            **ask(rng, phase.workload, arrivals),
        }


def _within(arrivals: Arrivals, first: float, end: float) -> Arrivals:
    keep = (arrivals.times >= first) & (arrivals.times < end)
    return Arrivals(arrivals.times[keep], arrivals.sessions[keep], arrivals.places[keep])


def _by_session(values: tuple[str | None, ...], sessions: Ints) -> Strings:
    return np.array(values, dtype=object)[sessions % len(values)]


def grid(time: float) -> float:
    """The beginning of the bin that a time lies in: phases meet only there."""
    return time // BIN_SECONDS * BIN_SECONDS
