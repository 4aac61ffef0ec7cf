"""Several files as one log by time: what the engine would have read from the topic."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from pipeline.message import Message
from pipeline.packing import PACKED
from pipeline.replay.lines import read_lines
from pipeline.replay.order import (
    Line,
    ReadTime,
    events_in_file_order,
    in_file_order,
    observation_time,
    statement_time,
)
from pipeline.replay.registry import told_in
from schemas.dead_letter import DeadLetter
from schemas.topics import MESSAGE_BYTES_MAX, RECORD_HEADER, TOLD_HEADER

PACKED_LINES_MAX = 500


@dataclass(frozen=True, slots=True)
class Recording:
    """The files of a replay."""

    events: Path
    provider_usage: Path | None = None
    keys: Path | None = None
    verdicts: Path | None = None


class TimedControl(NamedTuple):
    """A control record and when it reaches the log, in Unix seconds."""

    at: float
    message: Message


def merge(
    recording: Recording,
    now: float,
    packed_lines_max: int = PACKED_LINES_MAX,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Message]:
    """The files as one log by time; every file keeps its own order. Blank lines are passed over.

    Registry entries come first, with status `active`; a change of status comes at its time.
    Consecutive events are packed, at most so many lines in a message whose offset is the number
    of its first line: `in_its_line` finds the line of a dead letter again.

    Args:
        recording: the files.
        now: Unix seconds; see `events_in_file_order`.
        packed_lines_max: 1 leaves every event in a message of its own.
        progress: told how many bytes of the events' file have been read so far.

    Raises:
        ReplayError: a file cannot be read.
    """
    events = events_in_file_order(read_lines(recording.events, progress), now)
    first = next(events, None)
    streams: list[Iterable[Line | TimedControl]] = []
    if recording.keys:
        streams.append(_registry(recording.keys, first.at if first else 0.0))
    if recording.provider_usage:
        streams.append(_controls(recording.provider_usage, "provider-usage", observation_time))
    if recording.verdicts:
        streams.append(_controls(recording.verdicts, "verdict", statement_time))
    if first:
        streams.append(chain([first], events))
    merged = heapq.merge(*streams, key=itemgetter(0))
    return _packed(recording.events.name, merged, packed_lines_max)


def in_its_line(letter: DeadLetter) -> DeadLetter:
    """A dead letter of a packed message of lines, at the line that it is about."""
    return replace(letter, offset=letter.offset + letter.index, index=0)


def _controls(path: Path, record: str, time: ReadTime) -> Iterator[TimedControl]:
    for line in in_file_order(read_lines(path), time):
        if line.raw.strip():
            yield _control(path, record, line)


def _registry(path: Path, first: float) -> Iterator[TimedControl]:
    """Entries before everything else, as told when the log began, and their changes."""
    told = {TOLD_HEADER: f"{first:.0f}"}
    for at, number, raw in told_in(read_lines(path)):
        if at is None:
            yield TimedControl(0.0, _control(path, "key", Line(first, number, raw), told).message)
        else:
            yield _control(path, "key", Line(at, number, raw))


def _control(
    path: Path, record: str, line: Line, more: Mapping[str, str] | None = None
) -> TimedControl:
    headers = {RECORD_HEADER: record, **(more or {})}
    return TimedControl(
        line.at, Message(path.name, 0, line.number, line.raw, line.at, headers=headers)
    )


def _packed(topic: str, items: Iterable[Line | TimedControl], lines_max: int) -> Iterator[Message]:
    pack = _Pack(topic, lines_max)
    for item in items:
        if isinstance(item, TimedControl):
            yield from pack.taken()
            yield item.message
        elif not item.raw.strip():
            yield from pack.taken()  # the lines of a message follow one another
        elif not item.believed:
            # A claim that is not believed is judged against the time before it, and by itself.
            yield from pack.taken()
            yield Message(topic, 0, item.number, item.raw, item.at)
        else:
            if not pack.has_room_for(item.raw):
                yield from pack.taken()
            pack.add(item)
    yield from pack.taken()


class _Pack:
    """Consecutive lines that become one message."""

    def __init__(self, topic: str, lines_max: int) -> None:
        self._topic = topic
        self._lines_max = lines_max
        self._lines: list[bytes] = []
        self._bytes = 0
        self._last = Line(0.0, 0, b"")

    def has_room_for(self, raw: bytes) -> bool:
        return (
            len(self._lines) < self._lines_max
            and self._bytes + len(raw) + len(self._lines) <= MESSAGE_BYTES_MAX
        )

    def add(self, line: Line) -> None:
        self._lines.append(line.raw)
        self._bytes += len(line.raw)
        self._last = line

    def taken(self) -> Iterator[Message]:
        """The message, if there is one; the pack is empty afterwards."""
        if not self._lines:
            return
        first = self._last.number - len(self._lines) + 1
        headers = PACKED if len(self._lines) > 1 else {}
        value = b"\n".join(self._lines)
        self._lines, self._bytes = [], 0
        yield Message(self._topic, 0, first, value, self._last.at, headers=headers)
