"""Which values of a facet (country, client, model …) a key uses; how surprising is a new one?

The unit of experience is the active hour, not the request: a thousand requests from one place in
an hour say no more about where a key lives than ten.
"""

import math

from msgspec import Struct

VALUES_MAX = 24
"""Values remembered per facet; the least used goes first."""
USUAL_HOURS = 3.0
"""Active hours after which a value is usual."""
FORGET_HOURS = 180 * 24
"""A value not seen for half a year is new again."""
PRIOR_HOURS = 8.0
"""Active hours that the prior weighs."""
EXPERIENCE_HOURS_MAX = 1500.0
"""Experience is halved beyond this, so that a key's recent habits count."""


class Known(Struct, array_like=True, gc=False):
    """A value that the key is known to use."""

    hours: float
    """Active hours in which it was seen."""
    last: int
    """Last hour in which it was seen, in hours since 1970."""


class FacetTable(Struct, array_like=True, gc=False):
    """The values that a key has used, and how often it brings new ones."""

    values: dict[str, Known] = {}
    hours: float = 0.0
    """Active hours of experience."""
    novelties: float = 0.0
    """How many values after the first turned out to be new and honest."""

    def knows(self, value: str) -> bool:
        """Whether the key is known to use a value."""
        return value in self.values

    def surprise(self, value: str, prior: float) -> float:
        """Nats of surprise at a value: 0 when known, else by the key's own rate of novelty.

        Args:
            value: what was seen.
            prior: novelties expected of a key in its first `PRIOR_HOURS`, which its own experience
                outweighs (a Beta prior on the rate of novelty).
        """
        return 0.0 if value in self.values else self.surprise_of_new(prior)

    def surprise_of_new(self, prior: float) -> float:
        """Nats of surprise at any value that is new; 0 while nothing is known."""
        if self.hours == 0:
            return 0.0
        rate = (self.novelties + prior) / (self.hours + PRIOR_HOURS)
        return max(0.0, -math.log(min(1.0, rate)))

    def learn(self, seen: set[str], hour: int) -> None:
        """Take in the values of one closed active hour."""
        for value in sorted(seen):
            known = self.values.get(value)
            if known is None:
                self._admit(value, hour)
            else:
                known.hours += 1.0
                if hour > known.last:  # noqa: PLR1730 - `max` is a call
                    known.last = hour
        if len(self.values) > VALUES_MAX:
            self._make_room(hour)
        self.hours += 1.0
        if self.hours > EXPERIENCE_HOURS_MAX:
            self._halve()

    def admit(self, value: str, hour: int) -> None:
        """Take a value for the key's own."""
        if value not in self.values:
            self._admit(value, hour)
            self._make_room(hour)

    def forget(self, hour: int) -> None:
        """Drop what has not been seen for long."""
        limit = hour - FORGET_HOURS
        for name in [name for name, known in self.values.items() if known.last < limit]:
            del self.values[name]

    def _admit(self, value: str, hour: int) -> None:
        if self.values:
            self.novelties += 1.0
        self.values[value] = Known(1.0, hour)

    def _make_room(self, hour: int) -> None:
        surplus = len(self.values) - VALUES_MAX
        if surplus <= 0:
            return
        worth = {name: _worth(known, hour) for name, known in self.values.items()}
        for name in sorted(worth, key=worth.__getitem__)[:surplus]:
            del self.values[name]

    def _halve(self) -> None:
        self.hours /= 2
        self.novelties /= 2
        for known in self.values.values():
            # What has become usual stays so.
            known.hours = max(known.hours / 2, min(known.hours, USUAL_HOURS))


def _worth(known: Known, hour: int) -> tuple[float, int]:
    days_idle = max(0, hour - known.last) / 24
    return (known.hours / (1.0 + days_idle), known.last)
