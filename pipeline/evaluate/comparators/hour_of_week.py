"""A z-score by hour of the week: the usual seasonal baseline of monitoring systems.

Hours are closed when the key's next event arrives. Until an hour of the week has been seen twice,
the hour of the day stands in for it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.evaluate.comparators.contract import Seen
from pipeline.evaluate.pages import Page

HOUR_SECONDS = 3600
Z_MIN = 4.0
GAP_HOURS_MAX = 24 * 14
"""Silent hours are learnt as zero up to here."""
SEEN_MIN = 3


@dataclass(slots=True)
class _Moments:
    """Welford's running mean and variance."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def learn(self, value: float) -> None:
        self.n += 1
        delta = value - self.mean
        self.mean += delta / self.n
        self.squares += delta * (value - self.mean)

    def z(self, value: float) -> float:
        # A standard deviation of at least one request: quiet hours would make everything unusual.
        deviation = max(math.sqrt(self.squares / (self.n - 1)), 1.0)
        return (value - self.mean) / deviation


@dataclass(slots=True)
class _Key:
    hour: int
    requests: int = 0
    of_week: dict[int, _Moments] = field(default_factory=dict)
    of_day: dict[int, _Moments] = field(default_factory=dict)


class HourOfWeek:
    """Requests of an hour against the same hour before."""

    name = "hour-of-week z"

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def see(self, seen: Seen) -> Iterator[Page]:
        """A page comes at the end of the hour."""
        hour = int(seen.at // HOUR_SECONDS)
        key = self._keys.setdefault(seen.event.key_id, _Key(hour))
        if hour > key.hour:
            if _close(key, key.hour, key.requests):
                yield Page(seen.event.key_id, float((key.hour + 1) * HOUR_SECONDS))
            for silent in range(key.hour + 1, min(hour, key.hour + GAP_HOURS_MAX)):
                _close(key, silent, 0)
            key.hour, key.requests = hour, 0
        key.requests += 1


def _close(key: _Key, hour: int, requests: int) -> bool:
    week = key.of_week.setdefault(hour % 168, _Moments())
    day = key.of_day.setdefault(hour % 24, _Moments())
    basis = week if week.n >= SEEN_MIN else day
    unusual = basis.n >= SEEN_MIN and basis.z(requests) >= Z_MIN
    week.learn(requests)
    day.learn(requests)
    return unusual
