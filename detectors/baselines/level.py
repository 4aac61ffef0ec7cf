"""What a quantity usually is, how much it differs, and the most it has been, on a log scale."""

import math
from typing import Final

from msgspec import Struct, field
from river import stats

_SPREAD_MEMORY: Final = 300.0
"""Active hours that the spread looks back."""
LEVEL_DECAY: Final = 0.999
"""Per active hour: a record is half forgotten after 700 of them."""
GROWTH: Final = 1.5
"""Factor by which a record may grow in an hour, once …"""
KNOWN_HOURS: Final = 12.0
"""… so many are known: the first hour of bulk does not make the next one usual."""
_LEVEL_HOURS_MIN: Final = 6
_CLIP_SIGMAS: Final = 3.0
SPREAD_FLOOR: Final = 0.35
"""Least standard deviation of log volume: nobody is as regular as a short history looks."""


def raised(record: float, decay: float, value: float, growth: float) -> float:
    """A record, if there is one yet, after one more value."""
    # A float, always: an int would come back from storage as another text.
    value_max = record * growth if record else math.inf
    return max(record * decay, min(float(value), value_max))


class Spread(Struct, array_like=True, gc=False):
    """Mean and variance of log volume around its hourly mean: the parameters of River's `Var`."""

    n: float = 0.0
    mean: float = 0.0
    variance: float = 0.0

    def learn(self, value: float) -> None:
        """Take in one residual."""
        model = stats.Var._from_state(self.n, self.mean, self.variance)  # noqa: SLF001 # River's own way to restore a statistic
        model.update(value)
        self.n = min(float(model.n), _SPREAD_MEMORY)
        self.mean, self.variance = model.mean.get(), model.get()

    def learn_clipped(self, value: float) -> None:
        """Take in one residual; once enough are known, no more of it than honest hours differ by.

        Otherwise a loop that runs for hours would soon be no surprise any more.
        """
        most = _CLIP_SIGMAS * self.sigma if self.n >= KNOWN_HOURS else math.inf
        self.learn(min(most, max(-most, value)))

    @property
    def sigma(self) -> float:
        """Standard deviation, never below `SPREAD_FLOOR`, wider while little is known."""
        prior = 4.0
        variance = (self.n * self.variance + prior * 1.0) / (self.n + prior)
        return max(SPREAD_FLOOR, math.sqrt(variance))


class Level(Struct, array_like=True, gc=False):
    """Mean, spread and decaying record of a positive quantity, on a log scale."""

    spread: Spread = field(default_factory=Spread)
    record: float = 0.0

    def learn(self, value: float) -> None:
        """Take in one positive value."""
        self.spread.learn(math.log(value))
        growth = GROWTH if self.spread.n >= KNOWN_HOURS else math.inf
        self.record = raised(self.record, LEVEL_DECAY, value, growth)

    @property
    def usual(self) -> float:
        """The geometric mean; 0 while nothing is known."""
        return math.exp(self.spread.mean) if self.spread.n else 0.0

    def excess(self, value: float) -> float:
        """Standard deviations above the mean, on a log scale; 0 while little is known."""
        if self.spread.n < _LEVEL_HOURS_MIN or value <= 0:
            return 0.0
        return (math.log(value) - self.spread.mean) / self.spread.sigma
