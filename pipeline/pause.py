"""How long to wait before a further attempt, also by a clock of the day, which may be set back."""

from typing import Final, NamedTuple

STEPS_MAX: Final = 64
"""By then any pause is at its longest; a floating-point number ends at 2 to the power of 1,024."""


def backoff(failures: int, first: float, factor: float, most: float) -> float:
    """Seconds to pause after so many failures in a row, from 1."""
    return min(most, first * factor ** min(failures - 1, STEPS_MAX))


class Pause(NamedTuple):
    """From when to when to wait, in Unix seconds."""

    since: float
    until: float

    def over(self, now: float) -> bool:
        """Whether the wait has ended: also when the clock shows a time before it began."""
        return not self.since <= now < self.until
