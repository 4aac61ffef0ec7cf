"""What a partition keeps beside its keys: calibration, position, and the rebuild it is of.

Each is a record of its own in the state topic, under a name that no key id can have.
"""

from typing import Final

import msgspec
from msgspec import Struct

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
    """Misplaced events up to this offset are on the log in their right partition already."""


class Bookkeeping:
    """The records, and which of them changed since the last checkpoint."""

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.position = -1
        """Offset of the last message folded: what is no key's own, such as moved events and dead
        letters, must not come twice either."""
        self.rebuild = Rebuild()
        self._mark()

    def restore(self, key: str, value: bytes) -> bool:
        """Take in one stored record; False when it is a key's."""
        if key == CALIBRATION_KEY:
            self.calibration = msgspec.json.decode(value, type=Calibration)
        elif key == POSITION_KEY:
            self.position = msgspec.json.decode(value, type=int)
        elif key == REBUILD_KEY:
            self.rebuild = msgspec.json.decode(value, type=Rebuild)
        else:
            return False
        self._mark()
        return True

    def changes(self) -> list[tuple[str, bytes | None]]:
        """The records that changed since this was last asked."""
        changed: list[tuple[str, bytes | None]] = []
        if self.calibration is not self._saved_calibration:
            changed.append((CALIBRATION_KEY, encode(self.calibration)))
        if self.position != self._saved_position:
            changed.append((POSITION_KEY, msgspec.json.encode(self.position)))
        self._mark()
        return changed

    def _mark(self) -> None:
        self._saved_calibration, self._saved_position = self.calibration, self.position
