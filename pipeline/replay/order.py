"""When the lines of a file stand, and which claims about the future a replay believes.

The order of a file is the order of the log, so late events stay late. A line stands at the newest
time that its file has shown so far; where it stands is what files are merged by.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

import msgspec

from schemas.codec import UNDECODABLE
from schemas.fields import Time, epoch

DAY_SECONDS = 86_400.0
WITNESSES_MIN = 3
"""Later lines that must agree with a jump ahead of more than a day."""
LOOK_AHEAD_LINES = 32


class Line(NamedTuple):
    """A line and where it stands in the log."""

    at: float
    """Unix seconds: the newest believable time of the file up to here."""
    number: int
    """From 1."""
    raw: bytes
    believed: bool = True
    """False: the line claims a time too far ahead of `at`."""


ReadTime = Callable[[bytes], float | None]
"""The time in a line, in Unix seconds; None when it cannot be read."""
_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def _time_in(field: str) -> ReadTime:
    decode = msgspec.json.Decoder(msgspec.defstruct("Timed", [(field, Time)], gc=False)).decode

    def read(raw: bytes) -> float | None:
        try:
            at = epoch(getattr(decode(raw), field))
        except UNDECODABLE:
            return None
        return at if 0.0 <= at <= _LATEST else None

    return read


event_time = _time_in("occurred_at")
observation_time = _time_in("observed_at")
"""Of what a provider billed."""
statement_time = _time_in("at")
"""Of a verdict."""


def in_file_order(lines: Iterable[bytes], time: ReadTime) -> Iterator[Line]:
    """Lines of control records, each at the newest time of its file so far."""
    newest = 0.0
    for number, raw in enumerate(lines, 1):
        newest = max(newest, time(raw) or 0.0)
        yield Line(newest, number, raw)


def events_in_file_order(lines: Iterable[bytes], now: float) -> Iterator[Line]:
    """Lines of events, each at the newest believable time of its file so far.

    A time more than a day ahead of everything before it is believed when `WITNESSES_MIN` of the
    next `LOOK_AHEAD_LINES` lines are about as late. At the end of a file, where there are fewer
    witnesses, it is believed when it is not after `now` (Unix seconds).
    """
    ahead = _LookAhead(lines)
    times = ahead.times()
    # Not at `now` for want of a time: where a line stands must be the same each time.
    newest = min([now, *times]) if times else 0.0
    for number, (raw, at) in enumerate(ahead, 1):
        believed = True
        if at is not None and at > newest:
            believed = at <= newest + DAY_SECONDS or _is_confirmed(at, newest, ahead, now)
            if believed:
                newest = at
        yield Line(newest, number, raw, believed)


def _is_confirmed(at: float, newest: float, ahead: "_LookAhead", now: float) -> bool:
    # Two bounds: a wild time among lines that honestly resume after a gap has no witness.
    late = max(newest, at - 2 * DAY_SECONDS) + DAY_SECONDS
    times = ahead.times()
    witnesses = sum(1 for time in times if time > late)
    return witnesses >= WITNESSES_MIN or (len(times) < WITNESSES_MIN and at <= now)


class _LookAhead:
    """Lines with their times, and the times of the lines to come, read only when asked for."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._source = ((raw, event_time(raw)) for raw in lines)
        self._buffer: deque[tuple[bytes, float | None]] = deque()

    def __iter__(self) -> Iterator[tuple[bytes, float | None]]:
        while True:
            while self._buffer:
                yield self._buffer.popleft()
            for pair in self._source:
                yield pair
                if self._buffer:
                    break
            else:
                return

    def times(self) -> list[float]:
        """Readable times of the next lines, in their order."""
        missing = LOOK_AHEAD_LINES - len(self._buffer)
        self._buffer.extend(islice(self._source, missing))
        return [time for _, time in self._buffer if time is not None]
