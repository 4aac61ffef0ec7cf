"""What a partition keeps beside its keys: calibration, position, and the rebuild it is of.

Each is a record of its own in the state topic, under a name that no key id can have.

A log that was made anew counts its offsets from 0 again, so an offset alone does not say which
message is meant. The log's clock does: what was read was taken by a time, and what a later log
takes is younger.
"""

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.message import Message
from schemas.calibration import Calibration
from schemas.codec import encode
from schemas.fields import IDENTIFIER_LENGTH_MAX

CALIBRATION_KEY: Final = "calibration".ljust(IDENTIFIER_LENGTH_MAX + 1)
POSITION_KEY: Final = "position".ljust(IDENTIFIER_LENGTH_MAX + 1)
REBUILD_KEY: Final = "rebuild".ljust(IDENTIFIER_LENGTH_MAX + 1)
OWN_KEYS: Final = frozenset({CALIBRATION_KEY, POSITION_KEY, REBUILD_KEY})


class Rebuild(Struct, frozen=True):
    """From when on totals were counted anew."""

    epoch: int = 0
    """Totals of a later one win."""
    since: float = 0.0
    """Unix seconds; totals of windows that begin earlier stay as they were."""
    moved_until: int = -1
    """Misplaced events up to this offset are on the log in their right partition already …"""
    moved_at: float | None = None
    """… if the log took them by then, in Unix seconds; None: this was not noted yet."""
    read_at: float | None = None
    """By when the log had taken everything up to the position; None: as above. It is kept here,
    since earlier releases pass over it and would refuse a record of its own."""

    def was_moved(self, message: Message) -> bool:
        """Whether what a message has of other partitions was moved before the rebuild."""
        known = self.moved_at is None or message.appended_at <= self.moved_at
        return known and message.offset <= self.moved_until


class OtherLogError(Exception):
    """The log is not the one that the states are of. The text is for people."""


class Bookkeeping:
    """The records, and which of them changed since the last checkpoint."""

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.position = -1
        """Offset of the last message folded: what is no key's own, such as moved events and dead
        letters, must not come twice either."""
        self.rebuild = Rebuild()
        self._read_at: float | None = None
        self._mark()

    def restore(self, key: str, value: bytes) -> bool:
        """Take in one stored record; False when it is a key's."""
        if key == CALIBRATION_KEY:
            self.calibration = msgspec.json.decode(value, type=Calibration)
        elif key == POSITION_KEY:
            self.position = msgspec.json.decode(value, type=int)
        elif key == REBUILD_KEY:
            self.rebuild = msgspec.json.decode(value, type=Rebuild)
            self._read_at = self.rebuild.read_at
        else:
            return False
        self._mark()
        return True

    def pass_on(self, message: Message) -> bool:
        """Go on behind a message; False when it was read before.

        Raises:
            OtherLogError: it was not, though it lies no further than what was.
        """
        at, read_at = message.appended_at, self._read_at
        if message.offset > self.position:
            self.position = message.offset
            self._read_at = at if read_at is None else max(at, read_at)
            return True
        if read_at is not None and at > read_at:
            raise OtherLogError(
                f"{message.topic}/{message.partition} is not the log that was folded: offset"
                f" {message.offset} is younger than {self.position}, where the states stand;"
                " `leakline rebuild --from-store` begins with it"
            )
        return False

    def changes(self) -> list[tuple[str, bytes | None]]:
        """The records that changed since this was last asked."""
        changed: list[tuple[str, bytes | None]] = []
        if self.calibration is not self._saved_calibration:
            changed.append((CALIBRATION_KEY, encode(self.calibration)))
        if self.position != self._saved_position:
            self.rebuild = replace(self.rebuild, read_at=self._read_at)
            changed.append((POSITION_KEY, msgspec.json.encode(self.position)))
            changed.append((REBUILD_KEY, msgspec.json.encode(self.rebuild)))
        self._mark()
        return changed

    def _mark(self) -> None:
        self._saved_calibration, self._saved_position = self.calibration, self.position
