"""LiteLLM's rule for unusual spend, applied to each key instead of each user.

A job runs every hour: the hour's spend is at least three times the mean of the hours of the last
seven days, and at least ten dollars.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.evaluate.comparators.contract import Seen
from pipeline.evaluate.pages import Page

HOUR_SECONDS = 3600
WEEK_HOURS = 168
FACTOR = 3.0
MINIMUM_USD = 10.0
HISTORY_HOURS_MIN = 24
"""A mean over less than a day says nothing."""


@dataclass(slots=True)
class _Key:
    hour: int
    since: int
    spent: float = 0.0
    past: deque[tuple[int, float]] = field(default_factory=deque)
    """(hour, dollars) of the last week."""
    total: float = 0.0


class LitellmRule:
    """Spend of an hour against the week before it."""

    name = "LiteLLM rule"

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def see(self, seen: Seen) -> Iterator[Page]:
        """A page comes at the end of the hour, when the job runs."""
        hour = int(seen.at // HOUR_SECONDS)
        key = self._keys.setdefault(seen.event.key_id, _Key(hour, hour))
        if hour > key.hour:
            if _unusual(key):
                yield Page(seen.event.key_id, float((key.hour + 1) * HOUR_SECONDS))
            _close(key, hour)
        key.spent += seen.usd


def _unusual(key: _Key) -> bool:
    hours = min(key.hour - key.since, WEEK_HOURS)
    if hours < HISTORY_HOURS_MIN or key.spent < MINIMUM_USD:
        return False
    return key.spent >= FACTOR * key.total / hours


def _close(key: _Key, hour: int) -> None:
    key.past.append((key.hour, key.spent))
    key.total += key.spent
    while key.past and key.past[0][0] < hour - WEEK_HOURS:
        key.total -= key.past.popleft()[1]
    key.hour, key.spent = hour, 0.0
