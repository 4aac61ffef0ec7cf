"""How strange a key is by nature: what its own days show without anybody having stolen it."""

from msgspec import Struct

_HALF_LIFE_DAYS = 30.0
_NATS_MAX = 7.0
"""What was stranger than this was told to people: what they say about it counts, and not this."""


class Unrest(Struct, array_like=True, gc=False):
    """The strongest evidence of the day, and of the days before it."""

    day: int = 0
    """UTC days since 1970."""
    today: float = 0.0
    """Nats."""
    earlier: float = 0.0
    """Nats, as they counted on that day."""

    def before(self, day: int) -> float:
        """The strongest evidence of the days before one, slowly forgotten."""
        if day <= self.day:
            return self.earlier
        decay: float = 0.5 ** ((day - self.day) / _HALF_LIFE_DAYS)
        return decay * max(self.earlier, self.today)

    def note(self, day: int, nats: float) -> None:
        """Take in the evidence of a moment."""
        if day > self.day:
            self.day, self.today, self.earlier = day, 0.0, self.before(day)
        self.today = max(self.today, min(nats, _NATS_MAX))
