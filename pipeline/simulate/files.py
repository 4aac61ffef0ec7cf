"""A fleet as files: events, what providers billed, the key registry, labels."""

import gzip
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import msgspec
import zstandard

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
    """Write a fleet as JSONL; `.gz` and `.zst` compress, `-` is standard output."""
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


@contextmanager
def open_writing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, compressed as its name says; `-` is standard output.

    Raises:
        OSError: it cannot be opened.
    """
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with path.open("wb") as raw:
        if path.suffix == ".gz":
            # Without a time and a name in the header, the same records give the same bytes.
            with gzip.GzipFile("", "wb", 4, raw, mtime=0) as packed:
                yield cast("IO[bytes]", packed)
        elif path.suffix in {".zst", ".zstd"}:
            with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as frame:
                yield frame
        else:
            yield raw
