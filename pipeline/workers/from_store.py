"""What the log no longer holds, folded from the store: the beginning of a rebuild."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.engine import PartitionFold, Rules
from pipeline.engine.bookkeeping import OWN_KEYS
from pipeline.engine.window_rows import EPOCH_SHIFT
from pipeline.message import Message
from pipeline.store import Store
from pipeline.store.events import stored_events
from schemas.codec import encode
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.partition import partition_of
from schemas.spend_window import SpendWindow
from schemas.topics import USAGE_EVENTS

CHECKPOINT_EVENTS = 5_000


class Start(NamedTuple):
    """Where in a partition the log is folded from on."""

    offset: int
    at: float
    """Unix seconds; the log took what lies before it earlier than this."""


@dataclass(slots=True)
class Folded:
    """What came of the events of a partition's keys."""

    states: dict[str, bytes | None] = field(default_factory=dict)
    windows: list[SpendWindow] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    events: int = 0


def stored_epoch(store: Store) -> int:
    """The highest rebuild epoch of the totals in a store; 0 when it has none.

    Raises:
        StoreError: the store does not answer.
    """
    ((version,),) = store.query("SELECT max(version) FROM spend_windows").rows
    return int(version) >> EPOCH_SHIFT


def fold_stored(
    store: Store,
    rules: Rules,
    fresh: Sequence[Mapping[str, bytes | None]],
    since: float,
    starts: Sequence[Start],
) -> list[Folded]:
    """Fold what the store has from a time on and the log does not, by partition.

    Args:
        store: where the events are.
        rules: how they are judged.
        fresh: the states of each partition to begin with.
        since: Unix seconds.
        starts: of each partition, from where on the log is folded afterwards.
    """
    fold = PartitionFold(rules, partitions=None)
    for states in fresh:
        for key, raw in states.items():
            if raw is not None:
                fold.restore(key, raw)
    count = len(fresh)
    found: defaultdict[int, Folded] = defaultdict(Folded)
    for number, message in enumerate(_messages(store, since, starts), 1):
        effects = fold.fold(message)
        part = found[message.partition]
        part.events += 1
        part.incidents += effects.incidents
        if number % CHECKPOINT_EVENTS == 0:
            _checkpoint(fold, found, count)
    _checkpoint(fold, found, count)
    for part in found.values():  # the store has them key by key, and the log by time
        part.incidents.sort(key=lambda each: each.detected.timestamp())
    return [found[number] for number in range(count)]


def _messages(store: Store, since: float, starts: Sequence[Start]) -> Iterator[Message]:
    for event, offset, appended_at in stored_events(store, since):
        place = partition_of(event.key_id, len(starts))
        # what an earlier log had may have any offset
        if offset < starts[place].offset or appended_at < starts[place].at:
            at = epoch(event.occurred_at)
            yield Message(USAGE_EVENTS.name, place, offset, encode(event), at)


def _checkpoint(fold: PartitionFold, found: defaultdict[int, Folded], count: int) -> None:
    saved = fold.checkpoint()
    for key, raw in saved.states:
        if key not in OWN_KEYS:
            found[partition_of(key, count)].states[key] = raw
    for window in saved.windows:
        found[partition_of(window.key_id, count)].windows.append(window)
