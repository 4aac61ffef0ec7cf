"""Verdicts that come before their incident: kept until it does."""

import msgspec
from msgspec import Struct

from pipeline.journal import Journal, remembered
from schemas.verdict import Verdict

PREFIX = "early/"
VERDICTS_MAX = 20
"""On one incident; more say nothing new."""


class Early(Struct):
    """What was said, and when the last of it came."""

    verdicts: list[Verdict]
    heard_at: float


def keep(verdict: Verdict, now: float, journal: Journal) -> None:
    """Keep a verdict whose incident is not known."""
    known = _load(verdict.incident_id, journal)
    verdicts = [*(known.verdicts if known is not None else ()), verdict][-VERDICTS_MAX:]
    journal.put(PREFIX + verdict.incident_id, msgspec.json.encode(Early(verdicts, now)))


def take(incident_id: str, journal: Journal) -> list[Verdict]:
    """What was said about an incident before it came; it is not kept any longer."""
    known = _load(incident_id, journal)
    if known is None:
        return []
    journal.put(PREFIX + incident_id, None)
    return known.verdicts


def forget(before: float, journal: Journal) -> None:
    """Forget what was said of incidents that did not come."""
    for incident_id in remembered(PREFIX, journal):
        known = _load(incident_id, journal)
        if known is not None and known.heard_at < before:
            journal.put(PREFIX + incident_id, None)


def _load(incident_id: str, journal: Journal) -> Early | None:
    value = journal.get(PREFIX + incident_id)
    return None if value is None else msgspec.json.decode(value, type=Early)
