"""Which address a request comes from: fixed pools, rotating ones, commuters, several at once."""

from dataclasses import dataclass, field
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.simulate.addresses import Network, Prefix, address, neighbourhood
from pipeline.simulate.arrivals import HOUR, Arrivals, Floats, Ints, Rng, local_offsets
from pipeline.simulate.workload import Strings

LIVE_MAX = 5_000
"""Addresses that a rotating source remembers."""


class Egress(Protocol):
    """Which address a request comes from."""

    def assign(self, rng: Rng, arrivals: Arrivals) -> Strings:
        """An address for each arrival."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A few addresses; a session stays on one. The first ones are used most."""

    addresses: tuple[str, ...]
    favour: float = 1.0
    """Weight of the n-th address is n ** -favour."""

    def assign(self, rng: Rng, arrivals: Arrivals) -> Strings:
        """By session."""
        del rng
        weights = np.arange(1, len(self.addresses) + 1) ** -self.favour
        edges = np.cumsum(weights / weights.sum())
        place = np.searchsorted(edges, unit(arrivals.sessions), side="right")
        return np.array(self.addresses, dtype=object)[np.minimum(place, len(edges) - 1)]


@dataclass(slots=True)
class Rotating:
    """Addresses that live for a while: cloud functions, CI runners, dial-up lines."""

    networks: tuple[Network, ...]
    period_seconds: float
    """How long an address lives; 0 for one session each."""
    width: int = 1
    """Addresses in use at once."""
    near: bool = True
    """All from the same neighbourhoods, or from anywhere in the networks."""
    _live: dict[tuple[int, int], str] = field(default_factory=dict)
    _places: list[Prefix] = field(default_factory=list)

    def assign(self, rng: Rng, arrivals: Arrivals) -> Strings:
        """By session and by period."""
        sessions = arrivals.sessions % self.width if self.period_seconds else arrivals.sessions
        periods = (
            (arrivals.times // self.period_seconds).astype(np.int64)
            if self.period_seconds
            else np.zeros(len(sessions), np.int64)
        )
        if len(self._live) > LIVE_MAX:
            self._live.clear()
        slots = zip(periods.tolist(), sessions.tolist(), strict=True)
        return np.array([self._address(rng, slot) for slot in slots], dtype=object)

    def _address(self, rng: Rng, slot: tuple[int, int]) -> str:
        found = self._live.get(slot)
        if found is None:
            network = self.networks[int(rng.integers(len(self.networks)))]
            found = address(rng, self._place(rng, network))
            self._live[slot] = found
        return found

    def _place(self, rng: Rng, network: Network) -> Prefix:
        if not self.near:
            return neighbourhood(rng, network)
        while len(self._places) < 3:
            self._places.append(neighbourhood(rng, network))
        return self._places[int(rng.integers(3))]


@dataclass(frozen=True, slots=True)
class Commuter:
    """People: the office's address by day on weekdays, their own at other times."""

    office: Egress
    home: Egress
    zone: ZoneInfo
    remote_share: float = 0.2
    """Share of office sessions that come from home all the same."""

    def assign(self, rng: Rng, arrivals: Arrivals) -> Strings:
        """By session and local hour."""
        local = arrivals.times + local_offsets(arrivals.times, self.zone)
        hour, day = local % (24 * HOUR) / HOUR, (local // (24 * HOUR) + 3) % 7
        remote = unit(arrivals.sessions) < self.remote_share
        office = (hour > 8.5) & (hour < 18) & (day < 5) & ~remote
        chosen = self.office.assign(rng, arrivals)
        return np.where(office, chosen, self.home.assign(rng, arrivals))


@dataclass(frozen=True, slots=True)
class Mixed:
    """Several places at once; a session stays in one."""

    places: tuple[Egress, ...]
    shares: tuple[float, ...]

    def assign(self, rng: Rng, arrivals: Arrivals) -> Strings:
        """By session."""
        edges = np.cumsum(self.shares) / sum(self.shares)
        place = np.searchsorted(edges, unit(arrivals.sessions), side="right")
        chosen = [egress.assign(rng, arrivals) for egress in self.places]
        return np.array(np.choose(np.minimum(place, len(chosen) - 1), chosen), dtype=object)


def unit(sessions: Ints) -> Floats:
    """A number in [0, 1) that belongs to a session."""
    mixed = (sessions.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)
    return np.asarray(mixed / float(1 << 24), dtype=np.float64)
