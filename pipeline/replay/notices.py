"""What people would have been told: one line for each message, of one incident or of many keys.

The incidents of a replay say what each key's own log says; which of them share a message depends on
other keys, and is decided here by the rules of the on-call loop (`pipeline.notify.storm`), in the
order in which the incidents came out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO

from detectors.words import counted
from pipeline.accept import Batch
from pipeline.notify.storm import Fleet, Storms, stands_out
from pipeline.replay.run import Results
from schemas.codec import encode
from schemas.fields import Time, utc
from schemas.incident import Incident
from schemas.notice import Notice
from schemas.spend_window import SpendWindow


@dataclass(frozen=True, slots=True)
class _Seen:
    """An incident with the highest severity so far, and where it is told."""

    incident: Incident
    notice_id: str | None = None
    """None: nobody is told yet. Its own id: alone."""


class Notices:
    """An output of a replay that gathers incidents into messages."""

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self._file = file
        self._storms = Storms()
        self._seen: dict[str, _Seen] = {}
        self._fleets: dict[str, Fleet] = {}
        self._told_at: dict[str, Time] = {}
        """By notice, in the order in which they were first told."""

    def take(self, batches: Sequence[Batch], results: Results) -> None:
        """Sort the revisions that came of messages."""
        del batches
        for incident in results.incidents:
            self._hear(incident)

    def windows(self, rows: list[SpendWindow]) -> None:
        """Totals tell nobody anything."""

    def lines(self) -> Iterator[Notice]:
        """Every message, in the order in which people were told."""
        for notice_id, told_at in self._told_at.items():
            fleet = self._fleets.get(notice_id)
            if fleet is None:
                incident, incidents = self._seen[notice_id].incident, [notice_id]
                keys, unseen = [incident.key_id], incident.unseen_usd or 0.0
            else:
                incident, incidents = fleet.incident(notice_id), list(fleet.members)
                keys = sorted({each.key_id for each in fleet.members.values()})
                unseen = fleet.unseen_usd
            if incidents:  # else each has left for a message of its own
                yield Notice(
                    notice_id=notice_id,
                    severity=incident.severity,
                    cause=incident.cause,
                    told_at=utc(told_at),
                    shared=fleet.trait if fleet else None,
                    key_ids=keys,
                    incident_ids=incidents,
                    spend_usd=incident.spend_usd,
                    unseen_usd=unseen,
                )

    def write(self) -> None:
        """Write the lines, once everything was taken."""
        if self._file is not None:
            self._file.write(b"".join(encode(each) + b"\n" for each in self.lines()))

    def summary(self) -> str:
        """How many messages, in words."""
        lines = list(self.lines())
        counts = Counter(f"{each.severity}" for each in lines)
        listed = ", ".join(f"{name} {counts[name]}" for name in ("page", "ticket") if counts[name])
        fleets = [each for each in lines if each.shared is not None]
        shown = {key for each in fleets for key in self._fleets[each.notice_id].key_ids}
        about = f"; {len(fleets)} of them about {counted(len(shown), 'key')}" if fleets else ""
        return f"messages to people {len(lines):,}" + (f" ({listed}{about})" if lines else "")

    def _hear(self, incident: Incident) -> None:
        incident_id = incident.incident_id
        seen = self._seen.get(incident_id, _Seen(incident))
        is_open = incident.status == "open"
        incident = incident.no_milder_than(seen.incident)
        seen = replace(seen, incident=incident)
        if seen.notice_id is None and is_open and incident.severity != "info":
            seen = replace(seen, notice_id=self._place(incident))
        elif seen.notice_id in self._fleets:
            seen = replace(seen, notice_id=self._again(incident, seen.notice_id, over=not is_open))
        self._seen[incident_id] = seen
        if seen.notice_id == incident_id:
            self._told_at.setdefault(incident_id, incident.detected_at)
            self._storms.told(incident)

    def _place(self, incident: Incident) -> str:
        found = self._storms.place(incident)
        if found is None:
            return incident.incident_id
        notice_id, fleet = found
        self._fleets[notice_id] = fleet
        self._told_at.setdefault(notice_id, incident.detected_at)
        fleet.take(incident, over=False)
        self._storms.gathering(notice_id, fleet, answered=False)
        return notice_id

    def _again(self, incident: Incident, notice_id: str, *, over: bool) -> str:
        fleet = self._fleets[notice_id]
        if not over and stands_out(incident, fleet.detectors):
            fleet.drop(incident.incident_id)
            return self._place(incident)
        fleet.take(incident, over=over)
        self._storms.gathering(notice_id, fleet, answered=False)
        return notice_id
