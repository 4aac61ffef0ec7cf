"""When the lines of a file stand, and which claims about the future a replay believes.

The order of a file is the order of the log, so late events stay late. A line stands at the newest
time that its file has shown so far; where it stands is what files are merged by.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

import msgspec

from schemas.codec import UNDECODABLE
from schemas.fields import Time, epoch

T = TypeVar("T")

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
LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""No time beyond it can be meant."""


def _time_in(field: str) -> ReadTime:
    decode = msgspec.json.Decoder(msgspec.defstruct("Timed", [(field, Time)], gc=False)).decode

    def read(raw: bytes) -> float | None:
        try:
            at = epoch(getattr(decode(raw), field))
        except UNDECODABLE:
            return None
        return at if 0.0 <= at <= LATEST else None

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
    """Lines of events, each at the newest believable time of its file so far; see `believed`."""
    pairs = ((raw, event_time(raw)) for raw in lines)
    for number, (raw, at, sound) in enumerate(believed(pairs, now), 1):
        yield Line(at, number, raw, sound)


def believed(
    pairs: Iterable[tuple[T, float | None]], now: float
) -> Iterator[tuple[T, float, bool]]:
    """Each item with the newest believable time so far, and whether its own is believed.

    A time more than a day ahead of everything before it is believed when `WITNESSES_MIN` of the
    next `LOOK_AHEAD_LINES` lines are about as late. At the end of a file, where there are fewer
    witnesses, it is believed when it is not after `now` (Unix seconds).

    Args:
        pairs: items in the order of their file, and their times as `event_time` reads them.
        now: Unix seconds.
    """
    ahead = _LookAhead(pairs)
    times = ahead.times()
    # Not at `now` for want of a time: where a line stands must be the same each time.
    newest = min([now, *times]) if times else 0.0
    for item, at in ahead:
        sound = True
        if at is not None and at > newest:
            sound = at <= newest + DAY_SECONDS or _is_confirmed(at, newest, ahead, now)
            if sound:
                newest = at
        yield item, newest, sound


def _is_confirmed(at: float, newest: float, ahead: "_LookAhead[T]", now: float) -> bool:
    # Two bounds: a wild time among lines that honestly resume after a gap has no witness.
    late = max(newest, at - 2 * DAY_SECONDS) + DAY_SECONDS
    times = ahead.times()
    witnesses = sum(1 for time in times if time > late)
    return witnesses >= WITNESSES_MIN or (len(times) < WITNESSES_MIN and at <= now)


class _LookAhead(Generic[T]):
    """Items with their times, and the times of those to come, read only when asked for."""

    def __init__(self, pairs: Iterable[tuple[T, float | None]]) -> None:
        self._source = iter(pairs)
        self._buffer: deque[tuple[T, float | None]] = deque()

    def __iter__(self) -> Iterator[tuple[T, float | None]]:
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
        """Readable times of the next items, in their order."""
        missing = LOOK_AHEAD_LINES - len(self._buffer)
        self._buffer.extend(islice(self._source, missing))
        return [time for _, time in self._buffer if time is not None]
