"""From the states of a partition to those with which it is folded anew."""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from pipeline.engine.bookkeeping import OWN_KEYS, POSITION_KEY, REBUILD_KEY, Rebuild
from pipeline.engine.state import KeyState, decode_state, encode_state
from pipeline.engine.stored import UnknownStateError
from schemas.key_record import KeyRecord


def latest_epoch(partitions: Iterable[Mapping[str, bytes]]) -> int:
    """The highest rebuild epoch in the states of the partitions; 0 when there was none."""
    stored = [states[REBUILD_KEY] for states in partitions if REBUILD_KEY in states]
    return max((msgspec.json.decode(raw, type=Rebuild).epoch for raw in stored), default=0)


def with_position(states: dict[str, bytes], next_offset: int) -> dict[str, bytes]:
    """The states of a partition; where they were lost, how far it was read at least.

    What lies before that was moved, if it had to be: it must not be moved once more.
    """
    return {POSITION_KEY: msgspec.json.encode(next_offset - 1)} | states if next_offset else states


def fresh_states(
    states: Mapping[str, bytes], rebuild: Rebuild, start: int, told: Iterable[KeyRecord] = ()
) -> list[tuple[str, bytes | None]]:
    """What replaces the states of a partition.

    A key keeps its registry entry, which may be older than the log reaches back; where it has none
    that can be read, it gets the registry's. All else is forgotten. The calibration stays.

    Args:
        states: as stored.
        rebuild: the new epoch, from when on totals are counted, and by when the log had taken
            what lies before the start.
        start: the offset of the first message to be folded.
        told: entries of the registry for keys of the partition.
    """
    fresh = {key: _kept(raw) for key, raw in states.items() if key not in OWN_KEYS}
    for record in told:
        # no word of when it was told: a key that was in use long before would pass for a new one
        if fresh.get(record.key_id) is None:
            fresh[record.key_id] = encode_state(KeyState(record=record))
    fresh[REBUILD_KEY] = msgspec.json.encode(_moved(states, rebuild))
    fresh[POSITION_KEY] = msgspec.json.encode(start - 1)
    return list(fresh.items())


def _moved(states: Mapping[str, bytes], rebuild: Rebuild) -> Rebuild:
    """The rebuild with what was moved before it: all that was folded, then or earlier."""
    position = msgspec.json.decode(states.get(POSITION_KEY, b"-1"), type=int)
    before = msgspec.json.decode(states.get(REBUILD_KEY, b"{}"), type=Rebuild)
    moved = ((position, before.read_at), (before.moved_until, before.moved_at))
    times = [at for until, at in moved if until >= 0]
    known = [at for at in times if at is not None]
    return replace(
        rebuild,
        moved_until=max(until for until, _ in moved),
        moved_at=max(known) if known and len(known) == len(times) else None,
    )


def _kept(raw: bytes) -> bytes | None:
    try:
        record = decode_state(raw).record
    except UnknownStateError:  # of another release: a rebuild is the way out of that, too
        return None
    return None if record is None else encode_state(KeyState(record=record))
