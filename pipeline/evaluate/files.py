"""An evaluation of files: incidents, labels and events as JSONL, plain, `.gz`, `.zst` or `-`."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.enrich.pricing import Pricer
from pipeline.evaluate.evaluation import evaluate
from pipeline.evaluate.report import Report
from pipeline.replay.lines import ReplayError, read_lines, read_records
from pipeline.replay.order import LATEST, believed, event_time
from schemas.codec import Refused, decode_event
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.label import Label
from schemas.plausibility import mistake_in_time
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
        ReplayError: a file cannot be read, or an incident or a label not be understood, or a
            label is there twice.
    """
    return evaluate(
        read_records(incidents, Incident),
        _read_labels(labels),
        read_events(events, progress, refused),
        Pricer().price,
    )


def _read_labels(path: Path) -> list[Label]:
    labels = list(read_records(path, Label))
    for label_id, times in Counter(each.label_id for each in labels).items():
        if times > 1:
            raise ReplayError(f"{path}: label_id {label_id} is there {times} times")
    return labels


def read_events(
    path: Path,
    progress: Callable[[int], None] | None = None,
    refused: Counter[str] | None = None,
) -> Iterator[UsageEvent]:
    """The events of a file that a replay takes; the other lines are counted."""
    for item, _, sound in believed(map(_timed, read_lines(path, progress)), time.time()):
        if sound and isinstance(item, UsageEvent):
            yield item
        elif refused is not None:
            reason = item.reason if isinstance(item, Refused) else "time_in_future"
            if reason != "empty_message":
                refused[reason] += 1


def _timed(line: bytes) -> tuple[UsageEvent | Refused, float | None]:
    """What a line holds, and the time in it."""
    try:
        event = decode_event(line)
    except Refused as problem:
        return problem, event_time(line)
    at = epoch(event.occurred_at)
    mistake = mistake_in_time(at, LATEST)
    return (event, at) if mistake is None else (Refused(*mistake), event_time(line))
