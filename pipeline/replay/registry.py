"""A file of registry entries as a log: what holds from the start, and what changes later.

Of a key's lines the last has the last word, as on the topic. An earlier one counts for what it says
of a time before the last one's: a key that was revoked, and later active again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from msgspec.structs import replace

from schemas.codec import Refused, decode_control, encode
from schemas.fields import epoch
from schemas.key_record import KeyRecord


class Told(NamedTuple):
    """What is told of a key, or a line that cannot be read."""

    at: float | None
    """Unix seconds of the change; None: from the start."""
    number: int
    """Of the line, from 1."""
    raw: bytes


@dataclass(slots=True)
class _Key:
    number: int
    last: KeyRecord
    changes: list[tuple[float, int, KeyRecord]] = field(default_factory=list)
    """Of its status, each later than the one before it."""

    def say(self, number: int, entry: KeyRecord) -> None:
        """Take the next line in: what is later than it, and was said before, is said no more."""
        self.number, self.last = number, entry
        changed_at = entry.status_changed_at
        at = None if changed_at is None else epoch(changed_at)
        while self.changes and (at is None or at <= self.changes[-1][0]):
            self.changes.pop()
        if at is not None:
            self.changes.append((at, number, entry))

    def before(self) -> Told:
        """The entry as it was before its status changed."""
        changed = {"status": "active", "status_changed_at": None} if self.changes else {}
        return Told(None, self.number, encode(replace(self.last, **changed)))

    def changed(self) -> Iterator[Told]:
        """The entry at each change."""
        for at, number, entry in self.changes:
            status, changed_at = entry.status, entry.status_changed_at
            then = replace(self.last, status=status, status_changed_at=changed_at)
            yield Told(at, number, encode(then))


def told_in(lines: Iterable[bytes]) -> Iterator[Told]:
    """What the lines of a registry tell, in the order in which it is told."""
    keys: dict[str, _Key] = {}
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            entry = decode_control(raw, KeyRecord)
        except Refused:  # whoever reads the log says why
            yield Told(None, number, raw)
            continue
        keys.setdefault(entry.key_id, _Key(number, entry)).say(number, entry)
    yield from (key.before() for key in keys.values())
    yield from sorted((each for key in keys.values() for each in key.changed()), key=itemgetter(0))
