"""What the server needs of the rest: a log to write to, and incidents to show."""

from typing import Protocol

from schemas.action import Action, ActionResult
from schemas.incident import Incident
from schemas.topics import Topic
from schemas.verdict import Verdict


class EventLog(Protocol):
    """Where events and clicks go. Both calls return when the broker has acknowledged."""

    async def send_packed(self, events: list[tuple[str, bytes]]) -> None:
        """Send usage events: (key id, JSON on one line)."""

    async def send(self, topic: Topic, key: str | None, value: bytes) -> None:
        """Send one record to the partition of its key."""


class ReaderUnavailable(Exception):  # noqa: N818  # named for what happened
    """Incidents cannot be read now. The text is one line."""


class IncidentReader(Protocol):
    """What the console shows. Calls may block; they are made in a thread, one at a time.

    Each raises `ReaderUnavailable` when it cannot answer.
    """

    def incidents(self, limit: int) -> list[Incident]:
        """The latest revision of so many incidents, the newest first."""

    def incident(self, incident_id: str) -> Incident | None:
        """The latest revision of one."""

    def spend(self, key_id: str, start: float, end: float) -> list[tuple[float, float]]:
        """(start of the minute in Unix seconds, dollars), in order, for minutes with spend."""

    def verdicts(self, incident_id: str) -> list[Verdict]:
        """What was said about an incident, in order."""

    def actions(self, incident_id: str) -> list[tuple[Action, list[ActionResult]]]:
        """What was done about an incident, in order, with the results so far."""
