"""A small fold: counts and sums per key, an incident at every tenth event of a key."""

import msgspec
from msgspec import Struct

from pipeline.engine import Checkpoint, Effects
from pipeline.message import Message
from schemas.dead_letter import DeadLetter
from schemas.fields import NANOS, to_nanos
from schemas.incident import Incident
from schemas.partition import partition_of
from schemas.spend_window import SpendWindow
from schemas.topics import MOVED_HEADER

EVENTS_PER_INCIDENT = 10


class State(Struct):
    """What is known of a key."""

    offset: int = -1
    events: int = 0
    nanos: int = 0
    seen: set[str] = set()


class _Event(Struct):
    event_id: str
    key_id: str
    cost_usd: float = 0.0


class CountingFold:
    """Keeps the promises of the engine's fold: deterministic, positions, duplicates, moves."""

    def __init__(self, partition: int, partitions: int) -> None:
        self._partition = partition
        self._partitions = partitions
        self._states: dict[str, State] = {}
        self._changed: set[str] = set()
        self.counts: dict[str, int] = {}
        self.limits: dict[str, int] = {}

    def restore(self, key: str, value: bytes) -> None:
        self._states[key] = msgspec.msgpack.decode(value, type=State)

    def fold(self, *messages: Message) -> Effects:
        effects = Effects()
        for message in messages:
            self._fold(message, effects)
        return effects

    def _fold(self, message: Message, effects: Effects) -> None:
        for index, line in enumerate(message.value.split(b"\n")):
            try:
                event = msgspec.json.decode(line, type=_Event)
            except msgspec.DecodeError:
                effects.dead_letters.append(_dead(message, index, "not_json"))
                continue
            if partition_of(event.key_id, self._partitions) == self._partition:
                self._take(event, message, effects)
            elif MOVED_HEADER in message.headers:
                effects.dead_letters.append(_dead(message, index, "misplaced_twice"))
            else:
                effects.moved.append((event.key_id, line))
        for key in self._changed:
            self._states[key].offset = max(message.offset, self._states[key].offset)

    def checkpoint(self) -> Checkpoint:
        changed, self._changed = sorted(self._changed), set()
        return Checkpoint(
            [(key, msgspec.msgpack.encode(self._states[key])) for key in changed],
            [_window(key, self._states[key]) for key in changed],
        )

    def _take(self, event: _Event, message: Message, effects: Effects) -> None:
        state = self._states.setdefault(event.key_id, State())
        if message.offset <= state.offset or event.event_id in state.seen:
            return
        self._changed.add(event.key_id)
        state.seen.add(event.event_id)
        state.events += 1
        state.nanos += to_nanos(event.cost_usd)
        if state.events % EVENTS_PER_INCIDENT == 0:
            effects.incidents.append(_incident(event.key_id, state))


def _window(key: str, state: State) -> SpendWindow:
    return SpendWindow(
        key_id=key, granularity="1d", window_start=0.0, spend_usd=state.nanos / NANOS,
        requests=state.events, errors=0, input_tokens=0, output_tokens=0, distinct_sources=0,
        version=state.events,
    )  # fmt: skip


def _incident(key: str, state: State) -> Incident:
    return Incident(
        incident_id=f"incident-{key}", revision=state.events // EVENTS_PER_INCIDENT, key_id=key,
        status="open", severity="page", cause="leaked", risk=1.0, opened_at=0.0,
        detected_at=float(state.events), spend_usd=state.nanos / NANOS, baseline_usd=0.0,
        burn_usd_per_hour=0.0,
    )  # fmt: skip


def _dead(message: Message, index: int, reason: str) -> DeadLetter:
    return msgspec.convert(
        {
            "topic": message.topic, "partition": message.partition, "offset": message.offset,
            "index": index, "reason": reason, "detail": "a test's letter",
            "received_at": message.appended_at, "payload": "",
        },
        DeadLetter,
    )  # fmt: skip
