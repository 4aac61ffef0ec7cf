"""Pages: the moments at which somebody was, or would have been, woken."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.fields import epoch
from schemas.incident import Cause, Incident

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Page:
    """One revision with severity `page`, or the verdict of a comparator."""

    key_id: str
    at: float
    """Unix seconds of event time."""
    cause: Cause | None = None


def pages(incidents: Iterable[Incident]) -> Iterator[Page]:
    """The revisions that page. One that resolved, or that a person silenced, wakes nobody."""
    for incident in incidents:
        if incident.severity == "page" and incident.status == "open":
            yield Page(incident.key_id, epoch(incident.detected_at), incident.cause)


def once_a_day(times: Iterable[float]) -> list[float]:
    """Times of one key with those left out that follow a counted one within 24 hours."""
    kept: list[float] = []
    for time in sorted(times):
        if not kept or time >= kept[-1] + DAY_SECONDS:
            kept.append(time)
    return kept
