"""A pause by a clock of the day, which may be set back."""

from typing import NamedTuple


class Pause(NamedTuple):
    """From when to when to wait, in Unix seconds."""

    since: float
    until: float

    def over(self, now: float) -> bool:
        """Whether the wait has ended: also when the clock shows a time before it began."""
        return not self.since <= now < self.until
