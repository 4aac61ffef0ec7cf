"""ServeGen's real clients as usage events, with theft injected into some of them.

The data (alibaba/ServeGen, Apache-2.0) gives a rate, a coefficient of variation and a family for
each client and window of 600 s. Arrivals are a renewal process with those; what a request asks
for, and from where, is made up and does not change, so that only volume and source speak.
"""

import csv
import gzip
import heapq
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.simulate.addresses import CHEAP_HOSTS, CLOUDS, addresses
from schemas.label import Label
from schemas.usage_event import UsageEvent

WINDOW_SECONDS = 600.0
START = 1_760_313_600.0
"""13 October 2025, a Monday."""
WARM_UP_SECONDS = 3 * 86_400.0
FACTORS = (1.0, 2.0, 5.0)
"""Thefts add so many times the 95th percentile of the client's own rate."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """How a client behaves for 600 s."""

    start: float
    """Seconds since the beginning."""
    rate: float
    """Requests per second."""
    variation: float
    """Coefficient of variation of the gaps."""
    family: str


@dataclass(frozen=True, slots=True)
class Theft:
    """Requests that are not the client's own."""

    start: float
    end: float
    rate: float
    factor: float
    foreign: bool
    """From a rented machine elsewhere, or from the client's own addresses."""


def clients(path: Path) -> dict[str, list[Window]]:
    """The windows of each client in which it asks for something."""
    found: dict[str, list[Window]] = defaultdict(list)
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            rate = float(row["requests_per_s"])
            if rate > 0:
                window = Window(
                    float(row["window_start_s"]), rate, float(row["cv"] or 1), row["arrival_family"]
                )
                found[row["client"]].append(window)
    return dict(found)


def fleet(
    path: Path, *, seed: int = 1, events_per_client_max: int = 20_000, theft_share: float = 0.5
) -> tuple[Iterator[UsageEvent], list[Label]]:
    """Events in order of time, and what was stolen.

    Rates of a client that would bring more events than the limit are scaled down, all alike.
    """
    streams: list[Iterator[UsageEvent]] = []
    labels: list[Label] = []
    for number, (name, windows) in enumerate(sorted(clients(path).items())):
        rng = np.random.default_rng((seed, number))
        expected = sum(window.rate for window in windows) * WINDOW_SECONDS
        scale = min(1.0, events_per_client_max / expected)
        theft = _theft(rng, windows, scale) if rng.random() < theft_share else None
        if theft is not None:
            labels.append(_label(name, theft))
        streams.append(_events(rng, name, windows, scale, theft))
    return heapq.merge(*streams, key=lambda event: event.occurred_at), labels


def gaps(rng: np.random.Generator, window: Window, rate: float, count: int) -> Floats:
    """Times between requests with the window's mean and variation."""
    variation = max(window.variation, 0.05)
    if window.family == "Weibull":
        shape = weibull_shape(round(variation, 2))
        return rng.weibull(shape, count) / (math.gamma(1 + 1 / shape) * rate)
    shape = variation**-2
    return rng.gamma(shape, 1 / (shape * rate), count)


@cache
def weibull_shape(variation: float) -> float:
    """The shape of a Weibull distribution with this coefficient of variation, by bisection."""
    low, high = 0.15, 20.0
    for _ in range(50):
        shape = math.sqrt(low * high)
        squared = math.gamma(1 + 2 / shape) / math.gamma(1 + 1 / shape) ** 2 - 1
        low, high = (shape, high) if squared > variation * variation else (low, shape)
    return low


def _times(rng: np.random.Generator, window: Window, scale: float) -> Floats:
    rate = window.rate * scale
    expected = rate * WINDOW_SECONDS
    count = int(expected + 8 * window.variation * np.sqrt(expected) + 20)
    # The first gap began before the window did.
    elapsed = np.cumsum(gaps(rng, window, rate, count)) - rng.uniform(0, 1 / rate)
    return window.start + elapsed[(elapsed >= 0) & (elapsed < WINDOW_SECONDS)]


def _events(
    rng: np.random.Generator, name: str, windows: list[Window], scale: float, theft: Theft | None
) -> Iterator[UsageEvent]:
    own = addresses(rng, CLOUDS[int(rng.integers(len(CLOUDS)))], 2)
    median = float(np.exp(rng.uniform(np.log(200), np.log(4000))))
    strange = addresses(rng, CHEAP_HOSTS[int(rng.integers(len(CHEAP_HOSTS)))], 1)
    for window in windows:
        rows = [(time, own) for time in _times(rng, window, scale).tolist()]
        if theft is not None:
            first = max(window.start, theft.start)
            last = min(window.start + WINDOW_SECONDS, theft.end)
            if first < last:
                stolen = rng.uniform(first, last, rng.poisson(theft.rate * (last - first)))
                rows += [(time, strange if theft.foreign else own) for time in stolen.tolist()]
        for time, places in sorted(rows, key=lambda row: row[0]):
            yield UsageEvent(
                event_id=f"{rng.integers(1 << 62):016x}",
                occurred_at=START + time,
                key_id=name,
                source="servegen",
                provider="openai",
                model="gpt-4o",
                operation="chat",
                input_tokens=int(rng.lognormal(np.log(median), 0.7)) + 1,
                output_tokens=int(rng.lognormal(np.log(200), 0.7)) + 1,
                client_ip=places[int(rng.integers(len(places)))],
                user_agent="OpenAI/Python 1.109.1",
            )


def _theft(rng: np.random.Generator, windows: list[Window], scale: float) -> Theft | None:
    late = [w for w in windows if w.start >= WARM_UP_SECONDS]
    if not late:
        return None
    factor = FACTORS[int(rng.integers(len(FACTORS)))]
    start = late[int(rng.integers(len(late)))].start
    usual = float(np.quantile([w.rate for w in windows], 0.95)) * scale
    minutes = float(rng.uniform(30, 180))
    return Theft(start, start + minutes * 60, usual * factor, factor, bool(rng.random() < 0.5))


def _label(name: str, theft: Theft) -> Label:
    where = "foreign" if theft.foreign else "own source"
    return Label(
        label_id=f"{name}/theft",
        key_id=name,
        kind=f"theft {theft.factor:.0f}x, {where}",
        malicious=True,
        started_at=START + theft.start,
        ended_at=START + theft.end,
        cause="leaked" if theft.foreign else None,
    )
