"""What most teams write first: a country never seen before, or ten times the mean.

The first country of a key is taken for granted. Requests of the running hour are held against the
mean of all hours before it, at the moment at which they pass it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.evaluate.comparators.contract import Seen
from pipeline.evaluate.pages import Page

HOUR_SECONDS = 3600
FACTOR = 10.0
HISTORY_HOURS_MIN = 24
REQUESTS_MIN = 20
"""Ten times next to nothing is still nothing."""


@dataclass(slots=True)
class _Key:
    since: int
    hour: int
    requests: int = 0
    before: int = 0
    """Requests before this hour."""
    paged: bool = False
    countries: set[str] = field(default_factory=set)


class StaticThresholds:
    """First-seen country, and ten times the mean."""

    name = "static thresholds"

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def see(self, seen: Seen) -> Iterator[Page]:
        """Pages at once."""
        hour = int(seen.at // HOUR_SECONDS)
        key = self._keys.setdefault(seen.event.key_id, _Key(hour, hour))
        if hour > key.hour:
            key.before += key.requests
            key.hour, key.requests, key.paged = hour, 0, False
        key.requests += 1
        if seen.country is not None and seen.country not in key.countries:
            if key.countries:
                yield Page(seen.event.key_id, seen.at, "leaked")
            key.countries.add(seen.country)
        if not key.paged and _too_many(key):
            key.paged = True
            yield Page(seen.event.key_id, seen.at, "runaway")


def _too_many(key: _Key) -> bool:
    hours = key.hour - key.since
    enough = hours >= HISTORY_HOURS_MIN and key.requests >= REQUESTS_MIN
    return enough and key.requests >= FACTOR * key.before / hours
