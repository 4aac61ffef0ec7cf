"""An evaluation of files: incidents, labels and events as JSONL, plain, `.gz`, `.zst` or `-`."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.enrich.pricing import Pricer
from pipeline.evaluate.evaluation import evaluate
from pipeline.evaluate.report import Report
from pipeline.replay.lines import read_lines, read_records
from schemas.codec import Refused, decode_event
from schemas.incident import Incident
from schemas.label import Label
from schemas.usage_event import UsageEvent


def evaluate_files(
    incidents: Path,
    labels: Path,
    events: Path,
    *,
    progress: Callable[[int], None] | None = None,
    refused: Counter[str] | None = None,
) -> Report:
    """Judge a replay's incidents; events that state no cost are priced by the catalogue.

    Args:
        incidents: what `leakline replay` wrote.
        labels: the truth.
        events: what was replayed; read once, in bounded memory.
        progress: told how many bytes of the events have been read.
        refused: counts lines that are no events, by reason.

    Raises:
        ReplayError: a file cannot be read, or an incident or a label not be understood.
    """
    return evaluate(
        read_records(incidents, Incident),
        list(read_records(labels, Label)),
        read_events(events, progress, refused),
        Pricer().price,
    )


def read_events(
    path: Path,
    progress: Callable[[int], None] | None = None,
    refused: Counter[str] | None = None,
) -> Iterator[UsageEvent]:
    """The events of a file; lines that are none are left out and counted, as the engine does."""
    for line in read_lines(path, progress):
        try:
            yield decode_event(line)
        except Refused as problem:
            if refused is not None:
                refused[problem.reason] += 1
