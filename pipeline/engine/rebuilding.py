"""From the states of a partition to those with which it is folded anew."""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from pipeline.engine.bookkeeping import OWN_KEYS, POSITION_KEY, REBUILD_KEY, Rebuild
from pipeline.engine.state import KeyState, decode_state, encode_state
from pipeline.engine.stored import UnknownStateError


def latest_epoch(partitions: Iterable[Mapping[str, bytes]]) -> int:
    """The highest rebuild epoch in the states of the partitions; 0 when there was none."""
    stored = [states[REBUILD_KEY] for states in partitions if REBUILD_KEY in states]
    return max((msgspec.json.decode(raw, type=Rebuild).epoch for raw in stored), default=0)


def fresh_states(
    states: Mapping[str, bytes], rebuild: Rebuild, start: int
) -> list[tuple[str, bytes | None]]:
    """What replaces the states of a partition.

    A key keeps its registry entry, which may be older than the log reaches back; all else of it is
    forgotten. The calibration stays.

    Args:
        states: as stored.
        rebuild: the new epoch, and from when on totals are counted.
        start: the offset of the first message to be folded.
    """
    fresh = [(key, _kept(raw)) for key, raw in states.items() if key not in OWN_KEYS]
    moved_until = msgspec.json.decode(states.get(POSITION_KEY, b"-1"), type=int)
    before = msgspec.json.decode(states.get(REBUILD_KEY, b"{}"), type=Rebuild)
    begun = replace(rebuild, moved_until=max(moved_until, before.moved_until))
    fresh.append((REBUILD_KEY, msgspec.json.encode(begun)))
    fresh.append((POSITION_KEY, msgspec.json.encode(start - 1)))
    return fresh


def _kept(raw: bytes) -> bytes | None:
    try:
        record = decode_state(raw).record
    except UnknownStateError:  # of another release: a rebuild is the way out of that, too
        return None
    return None if record is None else encode_state(KeyState(record=record))
