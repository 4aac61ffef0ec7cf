"""A replay: the merged log through the engine, and what comes of it into files and a store."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol

from pipeline.accept import Batch
from pipeline.engine import Effects, PartitionFold, Rules
from pipeline.message import Message
from pipeline.reconcile.within import ReconcilingFold
from pipeline.replay.merge import in_its_line
from schemas.dead_letter import DeadLetter
from schemas.incident import Incident
from schemas.spend_window import SpendWindow

GROUP_MESSAGES: Final = 20
"""Messages that are folded together."""
CHECKPOINT_GROUPS: Final = 10
"""Window totals are handed on this often, so that they do not pile up."""


class Output(Protocol):
    """Where the results of a replay go."""

    def take(self, batches: Sequence[Batch], results: "Results") -> None:
        """What messages held that were folded together, and what came of it."""

    def windows(self, rows: list[SpendWindow]) -> None:
        """Totals that changed."""


@dataclass(slots=True)
class Results:
    """What came of some messages, with dead letters at their lines."""

    incidents: list[Incident]
    dead_letters: list[DeadLetter]


@dataclass(slots=True)
class Summary:
    """What a replay saw."""

    events: int = 0
    """Lines of the events' file that are not blank."""
    accepted: int = 0
    """Of these, events that were fit to be folded; late ones and duplicates included."""
    key_ids: set[str] = field(default_factory=set)
    """Of these events."""
    counts: Counter[str] = field(default_factory=Counter)
    """See `PartitionFold.counts`."""
    dead_letters: Counter[str] = field(default_factory=Counter)
    """By reason; those of control records too."""
    incidents: dict[str, Incident] = field(default_factory=dict)
    """The latest revision of each, with the highest severity that it had."""
    first_at: float | None = None
    """Unix seconds of the earliest and the latest event."""
    last_at: float | None = None


def replay(
    messages: Iterable[Message],
    rules: Rules,
    outputs: Iterable[Output] = (),
    progress: Callable[[Summary], None] | None = None,
) -> Summary:
    """Fold a log to its end.

    Incidents come out in the order in which the log decides them; sort by (key_id, incident_id,
    revision) to compare with another run over differently merged files.

    Args:
        messages: the log; see `pipeline.replay.merge`.
        rules: how events are judged.
        outputs: where results go.
        progress: called now and then.
    """
    fold = PartitionFold(rules, partitions=None)
    reconciling = ReconcilingFold(fold)
    summary = Summary(counts=fold.counts)
    outputs = tuple(outputs)
    for number, batches in enumerate(_groups(messages, rules), 1):
        results = _results(reconciling.fold(batches))
        _note(summary, batches, results)
        for output in outputs:
            output.take(batches, results)
        if number % CHECKPOINT_GROUPS == 0:
            _checkpoint(fold, outputs)
        if progress is not None:
            progress(summary)
    _checkpoint(fold, outputs)
    return summary


def _groups(messages: Iterable[Message], rules: Rules) -> Iterator[list[Batch]]:
    accepted = (rules.acceptor.accept(message, whole=True) for message in messages)
    while group := list(islice(accepted, GROUP_MESSAGES)):
        yield group


def _results(effects: Effects) -> Results:
    return Results(effects.incidents, [in_its_line(letter) for letter in effects.dead_letters])


def _checkpoint(fold: PartitionFold, outputs: tuple[Output, ...]) -> None:
    rows = fold.checkpoint().windows
    for output in outputs:
        output.windows(rows)


def _note(summary: Summary, batches: Sequence[Batch], results: Results) -> None:
    times = [use.at for batch in batches for use in batch.uses]
    for batch in batches:
        summary.key_ids.update(batch.key_ids)
    summary.accepted += len(times)
    usage = (batch for batch in batches if batch.message.record == "usage")
    summary.events += sum(len(batch.uses) + len(batch.dead_letters) for batch in usage)
    for letter in results.dead_letters:
        summary.dead_letters[letter.reason] += 1
    for incident in results.incidents:
        before = summary.incidents.get(incident.incident_id, incident)
        summary.incidents[incident.incident_id] = incident.no_milder_than(before)
    if times:
        known = [at for at in (summary.first_at, summary.last_at) if at is not None]
        summary.first_at, summary.last_at = min(times + known), max(times + known)
