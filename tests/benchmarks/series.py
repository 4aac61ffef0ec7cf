"""How strange each value of one regularly sampled series is, judged by the series' own past.

The ideas of the volume baseline on any quantity, for series that are no key's (NAB); no detector
uses it. A profile by hour of day and kind of day, records instead of assumed distributions, both
directions, and a refractory time, so that an episode is one alarm. A value is seen in three views,
each a distance:

- from the profile of its hour and kind of day, shrunk to the level while little is known;
- from the level, a mean that forgets;
- from the mean of the last values, which shows jumps in series that wander.

A distance becomes a rank among all distances of its view so far: no distribution is assumed, so
heavy tails and bursts cost nothing. Misses: a spread that changes while the level stays, a slow
ramp, and anything in the first `_YOUNG` values.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from typing import Final

from river import stats

from detectors.baselines.volume import BINS
from detectors.baselines.zones import bin_of

_LEVEL_MEMORY: Final = 3000
"""Values that the level looks back."""
_PROFILE_MEMORY: Final = 120
"""Values that each hour of the profile looks back."""
_HOUR_PRIOR: Final = 6.0
"""Values' worth of trust in the level, against an hour's own mean."""
_KIND_PRIOR: Final = 24.0
"""Values' worth of trust in the hour's mean, against that of weekdays or weekends alone."""
_RECENT: Final = 24
"""Values in the moving mean."""
_RECORDS: Final = 64
"""Largest distances kept in each view: ranks beyond are never an alarm."""
_SECONDARY: Final = 2.0
"""How much rarer than in the profile a distance has to be in another view."""
_YOUNG: Final = 20
"""Values that are only learnt."""
_REFRACTORY_SHARE: Final = 0.05
"""Share of the history in which an alarm silences what is not stranger."""
_STRANGER: Final = 1.25
"""Ratio of odds that breaks the silence."""
_ROUNDING: Final = 1e-6
"""Distances below this share of the level are none."""
_SECONDS_MAX: Final = 253_402_300_800
"""The year 10000: a timestamp beyond is no Unix second."""


class _Profile:
    """What is usual: the level, and how hours of weekdays and weekends differ from it."""

    __slots__ = ("hours", "kinds", "level")

    def __init__(self) -> None:
        self.level = stats.Mean()
        self.hours = [stats.Mean() for _ in range(24)]
        self.kinds = [stats.Mean() for _ in range(BINS)]
        """By hour and kind of day: the mean distance from the hour's own mean."""

    def learn(self, index: int, value: float) -> float:
        """Take in a value of a bin of the week; returns what was usual there before."""
        level, hour, kind = self.level, self.hours[index % 24], self.kinds[index]
        prior = level.get() if level.n else value
        usual = (hour.n * hour.get() + _HOUR_PRIOR * prior) / (hour.n + _HOUR_PRIOR)
        shift = kind.n / (kind.n + _KIND_PRIOR) * kind.get()
        _toward(kind, value - usual, _PROFILE_MEMORY)
        _toward(hour, value, _PROFILE_MEMORY)
        _toward(level, value, _LEVEL_MEMORY)
        return float(usual + shift)


class _Records:
    """The largest distances so far, smallest first."""

    __slots__ = ("largest",)

    def __init__(self) -> None:
        self.largest: list[float] = []

    def rank(self, distance: float) -> int:
        """Place among all distances so far, 1 for a record; then the distance is one of them."""
        largest = self.largest
        place = bisect_left(largest, distance)
        rank = len(largest) - place + 1
        if len(largest) < _RECORDS:
            insort(largest, distance)
        elif place:
            largest.insert(place, distance)
            del largest[0]
        return rank


class _Refractory:
    """Lets an episode speak once, and again only when it grows clearly stranger."""

    __slots__ = ("peaks",)

    def __init__(self) -> None:
        self.peaks: deque[tuple[int, float]] = deque()
        """(place, odds) of the recent past, odds falling: the first is the largest."""

    def admit(self, place: int, odds: float) -> float:
        """The odds, or 0 within the refractory time of greater ones."""
        peaks = self.peaks
        since = place - max(1.0, _REFRACTORY_SHARE * place)
        while peaks and peaks[0][0] < since:
            peaks.popleft()
        silenced = bool(peaks) and odds <= _STRANGER * peaks[0][1]
        while peaks and peaks[-1][1] <= odds:
            peaks.pop()
        peaks.append((place, odds))
        return 0.0 if silenced else odds


def score_series(timestamps: Sequence[float], values: Sequence[float]) -> list[float]:
    """Strangeness of each value, 0 to 1, knowing only the values up to it.

    The odds behind a score are the square root of the number of values so far over the rank of the
    value's distance among them: the alarms to expect from a fixed threshold grow with the square
    root of the length, between a fixed share of a long series and a fixed number for any series.
    A score of 0.9 is a record after 80 values, or the tenth largest distance after 8,000.

    Args:
        timestamps: Unix seconds (UTC), one for each value.
        values: any unit, any scale, either sign.

    Raises:
        ValueError: no values, not as many timestamps as values, a value that is no finite number,
            or a timestamp that is no Unix time.
    """
    _check(timestamps, values)
    profile, refractory = _Profile(), _Refractory()
    by_profile, by_level, by_recent = _Records(), _Records(), _Records()
    recent: deque[float] = deque(maxlen=_RECENT)
    scores: list[float] = []
    for place, (time, value) in enumerate(zip(timestamps, values, strict=True)):
        level = profile.level.get() if place else value
        moving = sum(recent) / len(recent) if place else value
        usual = profile.learn(bin_of(int(time // 3600), None), value)
        recent.append(value)
        floor = _ROUNDING * abs(level)
        odds = max(
            _odds(by_profile, abs(value - usual), floor),
            _odds(by_level, abs(value - level), floor) / _SECONDARY,
            _odds(by_recent, abs(value - moving), floor) / _SECONDARY,
        )
        odds *= math.sqrt(place + 1) if place >= _YOUNG else 0.0
        odds = refractory.admit(place, odds)
        scores.append(odds / (1.0 + odds))
    return scores


def _odds(records: _Records, distance: float, floor: float) -> float:
    rank = records.rank(distance if distance > floor else 0.0)
    return 1.0 / rank if distance > floor else 0.0


def _toward(mean: stats.Mean, value: float, memory: int) -> None:
    mean.n = min(mean.n, memory)  # a weight that stops growing: older values are forgotten
    mean.update(value)


def _check(timestamps: Sequence[float], values: Sequence[float]) -> None:
    if not len(values):
        raise ValueError("a series needs at least one value")
    if len(timestamps) != len(values):
        raise ValueError(f"{len(timestamps)} timestamps for {len(values)} values")
    for place, (time, value) in enumerate(zip(timestamps, values, strict=True)):
        if not math.isfinite(value):
            raise ValueError(f"value {place} is {value}, not a finite number")
        if not 0 <= time < _SECONDS_MAX:
            raise ValueError(f"timestamp {place} is {time}, not Unix seconds")
