"""One pass over the events: how long each key was watched, and what it spent when."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pipeline.config import Detection
from schemas.fields import NANOS, epoch
from schemas.usage_event import UsageEvent

WEEK_SECONDS = 7 * 86_400.0
LATENESS_SECONDS = Detection().lateness_seconds
"""An event that comes later than this after newer ones of its key counts as spend alone: a wrong
clock must not say how long a key was watched."""
Price = Callable[[UsageEvent], int | None]
"""Nano-dollars of an event; None when nobody knows."""


@dataclass(slots=True)
class Interval:
    """A time in which a key's spend is wanted, both ends included; seconds since the epoch."""

    start: float
    end: float
    nanos: int = 0
    seen: set[str] = field(default_factory=set)
    """Ids of events, so that one that comes twice is paid once."""


@dataclass(slots=True)
class Exposure:
    """What the events say beside the pages."""

    events: int = 0
    keys: int = 0
    key_weeks: float = 0.0
    """Sum over keys of the time from the first to the last event, late ones left aside."""
    first: float | None = None
    last: float | None = None


def stated_cost(event: UsageEvent) -> int | None:
    """The cost that the event itself states."""
    return None if event.cost_usd is None else round(event.cost_usd * NANOS)


def measure(
    events: Iterable[UsageEvent], intervals: Iterable[tuple[str, Interval]], price: Price
) -> Exposure:
    """Watch the events go by, adding each to the intervals of its key that it falls in.

    Memory grows with the number of keys and with the events inside intervals, not with the file.
    """
    wanted: dict[str, list[Interval]] = defaultdict(list)
    for key_id, interval in intervals:
        wanted[key_id].append(interval)
    watched: dict[str, list[float]] = {}
    exposure = Exposure()
    for event in events:
        at = epoch(event.occurred_at)
        exposure.events += 1
        seen = watched.get(event.key_id)
        if seen is None:
            watched[event.key_id] = [at, at]
        elif at > seen[1]:
            seen[1] = at
        elif seen[1] - LATENESS_SECONDS <= at < seen[0]:
            seen[0] = at
        for interval in wanted.get(event.key_id, ()):
            _add(interval, event, at, price)
    exposure.keys = len(watched)
    exposure.key_weeks = sum(last - first for first, last in watched.values()) / WEEK_SECONDS
    if watched:
        exposure.first = min(first for first, _ in watched.values())
        exposure.last = max(last for _, last in watched.values())
    return exposure


def _add(interval: Interval, event: UsageEvent, at: float, price: Price) -> None:
    if interval.start <= at <= interval.end and event.event_id not in interval.seen:
        interval.seen.add(event.event_id)
        interval.nanos += price(event) or 0
