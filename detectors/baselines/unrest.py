"""How strange a key is by nature: what its own days show without anybody having stolen it."""

from typing import Final

from msgspec import Struct

_HALF_LIFE_DAYS: Final = 30.0
_NATS_MAX: Final = 7.0
"""What was stranger than this was told to people: what they say about it counts, and not this."""
_HOURS_LATER: Final = 6
"""A night's theft does not excuse itself at midnight: a day counts from so many hours after its
end on."""


class Unrest(Struct, array_like=True, gc=False):
    """The strongest evidence of the day, and of the days before it."""

    day: int = 0
    """UTC days since 1970."""
    today: float = 0.0
    """Nats."""
    earlier: float = 0.0
    """Nats of the days before yesterday, as they counted on that day."""
    yesterday: float = 0.0

    def before(self, hour: int) -> float:
        """The strongest evidence of the days that ended a while before an hour (since 1970).

        It is slowly forgotten.
        """
        day = (hour - _HOURS_LATER) // 24
        if day < self.day:
            return self.earlier
        if day == self.day:
            return max(self.earlier, self.yesterday)
        return self._all(day)

    def note(self, hour: int, nats: float) -> None:
        """Take in the evidence of a moment."""
        day = hour // 24
        if day == self.day + 1:
            self.earlier = _fade(max(self.earlier, self.yesterday), 1)
            self.day, self.today, self.yesterday = day, 0.0, self.today
        elif day > self.day:
            self.day, self.today, self.earlier, self.yesterday = day, 0.0, self._all(day), 0.0
        self.today = max(self.today, min(nats, _NATS_MAX))

    def _all(self, day: int) -> float:
        return _fade(max(self.earlier, self.yesterday, self.today), day - self.day)


def _fade(nats: float, days: int) -> float:
    kept: float = 0.5 ** (days / _HALF_LIFE_DAYS)
    return kept * nats
