"""When requests come: daily rhythms, and four textures of arrivals that are never Poisson.

A rhythm says how much to expect at an hour of the local week. A level wanders around it. A texture
turns the expected rate into times: a noisy flow, sessions of a person or a job, cascades in which
requests breed requests (Hawkes), or runs at fixed local times.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rng = np.random.Generator
DAY = 86_400.0
HOUR = 3_600.0
BIN_SECONDS = 300.0
SESSION_LENGTH_MAX = 400
GENERATIONS_MAX = 60


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Times in Unix seconds, unsorted, each with the session that it belongs to."""

    times: Floats
    sessions: Ints
    places: Ints
    """Place of a request within its session, from 0."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How many requests a day, and how they spread over the local week."""

    per_day: float
    zone: ZoneInfo
    week: Floats
    """168 factors with mean 1, from Monday midnight local time."""

    def rates(self, times: Floats) -> Floats:
        """Expected requests per second at each time; daylight saving is the zone's."""
        local = times + local_offsets(times, self.zone)
        # The epoch was a Thursday.
        position = ((local / HOUR) + 72.0) % 168.0
        left = position.astype(np.int64) % 168
        part = position - np.floor(position)
        factors = self.week[left] * (1 - part) + self.week[(left + 1) % 168] * part
        return self.per_day / DAY * factors


def local_offsets(times: Floats, zone: ZoneInfo) -> Floats:
    """Seconds to add for local time; looked up once an hour."""
    hours, places = np.unique(times // HOUR, return_inverse=True)
    return np.array([_offset(hour * HOUR, zone) for hour in hours.tolist()])[places]


def _offset(time: float, zone: ZoneInfo) -> float:
    shift = datetime.fromtimestamp(time, UTC).astimezone(zone).utcoffset()
    return (shift or timedelta()).total_seconds()


def flat_week(rng: Rng, swing: float = 0.2) -> Floats:
    """Round the clock, with a mild swing over the day."""
    hours = np.arange(168) % 24
    peak = rng.uniform(8, 20)
    return _scaled(1 + swing * np.cos((hours - peak) / 24 * 2 * np.pi), rng)


def day_week(rng: Rng, weekend: float = 0.7) -> Floats:
    """Follows a population that is awake by day."""
    hours = np.arange(168)
    curve = 0.12 + np.exp(np.cos((hours % 24 - rng.uniform(13, 17)) / 24 * 2 * np.pi) * 1.6)
    return _scaled(np.where(hours >= 120, curve * weekend, curve), rng)


def office_week(rng: Rng, stray: float = 0.01) -> Floats:
    """Monday to Friday, with a dip at lunch and a little at other times."""
    start, end = rng.uniform(7.5, 10), rng.uniform(16.5, 19)
    hour, day = np.arange(168) % 24 + 0.5, np.arange(168) // 24
    work = ((hour > start) & (hour < end) & (day < 5)).astype(float)
    work *= np.where(np.abs(hour - 12.5) < 0.6, 0.5, 1.0)
    return _scaled(work + stray, rng)


def evening_week(rng: Rng) -> Floats:
    """Hobbyists and consumers: evenings, and more at weekends."""
    hours = np.arange(168)
    curve = 0.08 + np.exp(np.cos((hours % 24 - rng.uniform(19, 22)) / 24 * 2 * np.pi) * 2)
    return _scaled(np.where(hours >= 120, curve * 1.5, curve), rng)


def _scaled(curve: Floats, rng: Rng) -> Floats:
    noisy = curve * rng.lognormal(0, 0.12, curve.shape)
    return np.asarray(noisy / noisy.mean(), dtype=np.float64)


class Level:
    """A slow wander around the rhythm: a log-normal AR(1) with a step an hour."""

    def __init__(
        self, rng: Rng, start: float, end: float, sigma: float, memory_hours: float
    ) -> None:
        count = int((end - start) // HOUR) + 3
        keep = np.exp(-1 / memory_hours)
        noise = rng.normal(0, sigma * np.sqrt(1 - keep * keep), count)
        noise[0] = rng.normal(0, sigma)
        for i in range(1, count):
            noise[i] += keep * noise[i - 1]
        self._start = start
        self._factors = np.exp(noise - sigma * sigma / 2)

    def at(self, times: Floats) -> Floats:
        """The factor at each time."""
        place = np.clip((times - self._start) / HOUR, 0, len(self._factors) - 1)
        return np.interp(place, np.arange(len(self._factors)), self._factors)


class Texture(Protocol):
    """Turns expected rates into arrivals."""

    def arrive(self, rng: Rng, starts: Floats, rates: Floats) -> Arrivals:
        """Arrivals for bins of `BIN_SECONDS` with these starts and rates per second."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Independent requests with a rate that jumps about from bin to bin."""

    dispersion: float = 4.0
    """Shape of the gamma noise on each bin: the smaller, the wilder."""

    def arrive(self, rng: Rng, starts: Floats, rates: Floats) -> Arrivals:
        """One session for each request."""
        times = _points(rng, starts, rates * _gamma(rng, self.dispersion, len(rates)))
        count = len(times)
        return Arrivals(times, rng.integers(1 << 62, size=count), np.zeros(count, np.int64))


@dataclass(frozen=True, slots=True)
class Sessions:
    """People and jobs: each session has a heavy-tailed number of requests, then silence."""

    size: float = 8.0
    """Mean requests in a session."""
    gap_seconds: float = 25.0
    """Median time between the requests of a session."""
    spread: float = 1.0
    """Log-normal sigma of sizes and gaps."""

    def arrive(self, rng: Rng, starts: Floats, rates: Floats) -> Arrivals:
        """Sessions start at random within the bins and may run past the last one."""
        begins = _points(rng, starts, rates / self.size)
        median = self.size / np.exp(self.spread**2 / 2)
        sizes = rng.lognormal(np.log(median), self.spread, len(begins))
        whole = np.clip(np.round(sizes), 1, SESSION_LENGTH_MAX).astype(np.int64)
        return _trains(rng, begins, whole, self.gap_seconds, self.spread)


@dataclass(frozen=True, slots=True)
class Cascade:
    """Agents: a request breeds more (a Hawkes process in its cluster form)."""

    branching: float = 0.85
    """Mean children of a request; below 1."""
    delay_seconds: float = 20.0
    """Mean time from a request to its child."""

    def arrive(self, rng: Rng, starts: Floats, rates: Floats) -> Arrivals:
        """Each ancestor and its descendants are one session."""
        parents = _points(rng, starts, rates * (1 - self.branching))
        sessions = rng.integers(1 << 62, size=len(parents))
        all_times, all_sessions, all_places = [parents], [sessions], [np.zeros(len(parents), int)]
        for generation in range(1, GENERATIONS_MAX):
            children = rng.poisson(self.branching, len(parents))
            parents = np.repeat(parents, children)
            sessions = np.repeat(sessions, children)
            if not len(parents):
                break
            parents = parents + rng.exponential(self.delay_seconds, len(parents))
            all_times.append(parents)
            all_sessions.append(sessions)
            all_places.append(np.full(len(parents), generation))
        return Arrivals(
            np.concatenate(all_times), np.concatenate(all_sessions), np.concatenate(all_places)
        )


@dataclass(frozen=True, slots=True)
class Runs:
    """Scheduled jobs: at a local hour on some days, so many requests over so long."""

    zone: ZoneInfo
    hour: float
    requests: float
    duration_seconds: float
    spread: float = 0.25
    """Log-normal sigma of the number of requests from run to run."""
    skip: float = 0.03
    """Share of days without a run."""

    def arrive(self, rng: Rng, starts: Floats, rates: Floats) -> Arrivals:
        """A run begins in the bin that holds its local time; rates scale it."""
        times: list[Floats] = [np.empty(0)]
        for start, rate in zip(starts, rates, strict=True):
            since = (start + _offset(start, self.zone) - self.hour * HOUR) % DAY
            if since < BIN_SECONDS and rng.random() > self.skip:
                scale = rate * DAY / max(self.requests, 1e-9)
                count = rng.poisson(self.requests * scale * rng.lognormal(0, self.spread))
                begin = start + rng.uniform(0, BIN_SECONDS)
                # Requests thin out towards the end, when the last workers finish.
                times.append(begin + self.duration_seconds * rng.beta(1, 1.3, count))
        joined = np.concatenate(times)
        run = np.floor((joined - self.hour * HOUR) / DAY).astype(np.int64)
        return Arrivals(joined, run, np.zeros(len(joined), np.int64))


@dataclass(frozen=True, slots=True)
class Pulse:
    """A number of requests at once, spaced at random; rates do not matter."""

    count: int
    gap_seconds: float
    begin: float

    def arrive(self, rng: Rng, starts: Floats, rates: Floats) -> Arrivals:
        """Nothing unless the beginning lies in one of the bins."""
        del rates
        inside = len(starts) and starts[0] <= self.begin < starts[-1] + BIN_SECONDS
        begins = np.array([self.begin] if inside else [])
        sizes = np.full(len(begins), self.count, np.int64)
        return _trains(rng, begins, sizes, self.gap_seconds, 0.7)


def _gamma(rng: Rng, shape: float, count: int) -> Floats:
    return rng.gamma(shape, 1 / shape, count)


def _points(rng: Rng, starts: Floats, rates: Floats) -> Floats:
    counts = rng.poisson(np.maximum(rates, 0) * BIN_SECONDS)
    return np.repeat(starts, counts) + rng.uniform(0, BIN_SECONDS, int(counts.sum()))


def _trains(rng: Rng, begins: Floats, sizes: Ints, gap_seconds: float, spread: float) -> Arrivals:
    """Trains of requests: from each begin so many, with log-normal gaps."""
    total = int(sizes.sum())
    firsts = np.cumsum(sizes) - sizes
    places = np.arange(total) - np.repeat(firsts, sizes)
    gaps = rng.lognormal(np.log(gap_seconds), spread, total)
    gaps[firsts] = 0.0
    elapsed = np.cumsum(gaps)
    elapsed -= np.repeat(elapsed[firsts], sizes)
    sessions = np.repeat(rng.integers(1 << 62, size=len(begins)), sizes)
    return Arrivals(np.repeat(begins, sizes) + elapsed, sessions, places)
