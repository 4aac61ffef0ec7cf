"""A fleet as files: events, what providers billed, the key registry, labels."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from pipeline.replay.writing import open_writing
from pipeline.simulate.fleet import FleetSettings, simulate

Progress = Callable[[float, int], None]
"""Called with the share done (0 to 1) and the events written so far."""


@dataclass(frozen=True, slots=True)
class Written:
    """How much a simulation wrote."""

    events: int
    keys: int
    attacks: int
    changes: int


def simulate_to_files(
    settings: FleetSettings,
    events: Path,
    *,
    provider_usage: Path | None = None,
    keys: Path | None = None,
    labels: Path | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write a fleet as JSONL; `.gz` and `.zst` compress, `-` is standard output.

    Raises:
        NotWritableError: a file cannot be opened.
    """
    fleet = simulate(settings)
    registry = fleet.registry()
    count, attacks, changes = 0, 0, 0
    with ExitStack() as stack:
        sinks = [
            stack.enter_context(open_writing(path)) if path else None
            for path in (events, provider_usage, keys, labels)
        ]
        write(sinks[2], registry)
        for number, day in enumerate(fleet.days(), start=1):
            count += day.count
            write(sinks[0], day.events)
            write(sinks[1], day.provider_usage)
            write(sinks[3], day.labels)
            attacks += sum(label.malicious for label in day.labels)
            changes += sum(not label.malicious for label in day.labels)
            if progress:
                progress(number / settings.days, count)
    return Written(count, len(registry), attacks, changes)


def write(sink: IO[bytes] | None, records: Iterable[msgspec.Struct]) -> None:
    """Append records as lines; no sink, nothing to do."""
    if sink is not None:
        sink.write(msgspec.json.Encoder().encode_lines(records))
