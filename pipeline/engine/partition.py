"""Folding a partition of the log, message by message."""

from collections import Counter
from dataclasses import dataclass, field

from detectors.contract import Trigger
from pipeline.accept import Accepted, Batch, Control, refusal
from pipeline.engine.ageing import age, closing, is_closing_time, is_rising, watch
from pipeline.engine.bookkeeping import Bookkeeping
from pipeline.engine.counting import (
    count,
    count_late,
    flush,
    is_duplicate,
    open_gates,
    raise_gates,
)
from pipeline.engine.judging import hear, look
from pipeline.engine.limits import limits_met
from pipeline.engine.reconciling import answer, settle
from pipeline.engine.rules import Rules
from pipeline.engine.state import KeyState, encode_state
from pipeline.engine.states import States
from pipeline.engine.window_rows import rows
from pipeline.message import Message
from schemas.calibration import Calibration
from schemas.codec import Refused, encode
from schemas.dead_letter import DeadLetter
from schemas.fields import epoch
from schemas.gateway_use import UseAnswer, UseQuestion
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.provider_usage import JoinedUsage
from schemas.spend_window import SpendWindow
from schemas.topics import MOVED_HEADER
from schemas.verdict import Verdict


@dataclass(slots=True)
class Effects:
    """What a message caused."""

    incidents: list[Incident] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    moved: list[tuple[str, bytes]] = field(default_factory=list)
    """(key_id, event) of events that belong to another partition."""
    answers: list[UseAnswer] = field(default_factory=list)


@dataclass(slots=True)
class Checkpoint:
    """What changed since the last one."""

    states: list[tuple[str, bytes | None]] = field(default_factory=list)
    windows: list[SpendWindow] = field(default_factory=list)


class PartitionFold:
    """The states of a partition's keys, and the only way to change them."""

    def __init__(self, rules: Rules, partition: int = 0, partitions: int | None = None) -> None:
        """Start with no key known.

        Args:
            rules: how events are accepted and judged.
            partition: which partition this is, from 0.
            partitions: how many there are; None takes every key, wherever it belongs, and takes
                offsets for mere labels (a replay of files).
        """
        self._rules = rules
        self._kinds = rules.kinds
        self._lateness_seconds = rules.lateness_seconds
        self._partition = partition
        self._partitions = partitions
        self._books = Bookkeeping(rules.calibration, rules.epoch)
        self._messages = 0
        self._states = States(rules.in_use_max)
        self._changed: list[str] = []
        """Keys whose states changed since the last checkpoint."""
        self._closed: list[SpendWindow] = []
        self._folded = 0
        self.counts: Counter[str] = Counter()
        """Events by what became of them: `folded`, `late`, `duplicate`, `unpriced`, `no_source`,
        `already_folded`, `moved`."""
        self.limits: Counter[str] = Counter()
        """How often windows of a key closed while it stood at a limit of its state, by limit."""

    def restore(self, key: str, value: bytes) -> None:
        """Take in one stored state, before the first fold."""
        if not self._books.restore(key, value):
            self._states.restore(key, value)

    def fold(self, message: Message, batch: Batch | None = None) -> Effects:
        """Fold a message; the same messages give the same effects, however they are cut.

        Args:
            message: the next one of the partition.
            batch: what the acceptor made of it, when the caller has asked already.
        """
        effects = Effects()
        if self._partitions is not None:
            if message.offset <= self._books.position:
                self.counts["already_folded"] += 1
                return effects
            self._books.position = message.offset
        self._messages += 1
        if batch is None:
            batch = self._rules.acceptor.accept(message)
        effects.dead_letters.extend(batch.dead_letters)
        for control in batch.controls:
            self._control(control, message, effects)
        in_use, number = self._states.in_use, self._messages
        for accepted in batch.events:
            key_id = accepted.event.key_id
            state = in_use.get(key_id)
            if state is None or state.folding != number:
                state = self._state_for(key_id, message, effects, accepted)
            if state is not None:
                self._event(state, key_id, accepted, effects)
        if batch.events:
            self.counts["folded"] += self._folded
            self._folded = 0
        return effects

    def checkpoint(self) -> Checkpoint:
        """Everything that changed since the last checkpoint."""
        result = Checkpoint(windows=self._closed)
        self._closed = []
        for key_id in self._changed:
            state = self._states.in_use[key_id]
            result.states.append((key_id, encode_state(state)))
            result.windows.extend(
                rows(key_id, state, state.touched, self._kinds.place, self._books.rebuild)
            )
            state.changed = False
            state.touched.clear()
        result.states += self._books.changes()
        self._states.put_away(self._changed)
        self._changed = []
        return result

    def state_of(self, key_id: str) -> KeyState | None:
        """The state of a key, for explanations and tests."""
        return self._states.find(key_id)

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._states)

    # Which events are folded

    def _state_for(
        self, key_id: str, message: Message, effects: Effects, accepted: Accepted | None
    ) -> KeyState | None:
        """The state of a key that the message is about; None when it is not to be folded."""
        state = self._states.find(key_id)
        if state is None:
            if not self._is_mine(key_id):
                self._misplaced(key_id, message, effects, accepted)
                return None
            state = self._states.in_use[key_id] = KeyState()
        if self._partitions is not None and state.folding != self._messages:
            if state.position >= message.offset:
                self.counts["already_folded"] += 1
                return None
            state.position = message.offset
        state.folding = self._messages  # its further events in this message are not old
        if not state.changed:
            state.changed = True
            self._changed.append(key_id)
        return state

    def _is_mine(self, key_id: str) -> bool:
        partitions = self._partitions
        return partitions is None or partition_of(key_id, partitions) == self._partition

    def _misplaced(
        self, key_id: str, message: Message, effects: Effects, accepted: Accepted | None
    ) -> None:
        if MOVED_HEADER in message.headers or accepted is None:
            refused = Refused("misplaced_twice", "the record is not in the partition of its key")
            raw = encode(accepted.event) if accepted else message.value
            index = accepted.index if accepted else 0
            effects.dead_letters.append(refusal(message, index, raw, refused))
            return
        self.counts["moved"] += 1
        if message.offset > self._books.rebuild.moved_until:
            effects.moved.append((key_id, encode(accepted.event)))

    # Folding one event

    def _event(self, state: KeyState, key_id: str, accepted: Accepted, effects: Effects) -> None:
        if not accepted.priced or accepted.source is None:
            self._note(accepted)
        at, clock = accepted.at, state.clock
        if at < clock - self._lateness_seconds:
            self._late(state, accepted)
            return
        minute = int(at) // 60
        if is_duplicate(state, accepted.event.event_id, minute):
            self.counts["duplicate"] += 1
            return
        self._folded += 1
        trigger = Trigger.NONE
        if at > clock:
            state.clock = at
            if minute != state.minute:
                trigger = self._enter(state, key_id, minute, clock)
        trigger |= count(state, accepted, minute)
        if trigger:
            self._look(state, key_id, trigger, effects)

    def _note(self, accepted: Accepted) -> None:
        if not accepted.priced:
            self.counts["unpriced"] += 1
        if accepted.source is None and accepted.event.client_ip is not None:
            self.counts["no_source"] += 1

    def _late(self, state: KeyState, accepted: Accepted) -> None:
        self.counts["late"] += 1
        flush(state, self._kinds)  # its windows may be pending
        count_late(state, accepted)

    def _enter(self, state: KeyState, key_id: str, minute: int, previous: float) -> int:
        """Let the key's clock enter a minute; the triggers that this alone fires."""
        if not previous:
            previous = state.history.first_seen = state.clock
        fired = Trigger.NONE
        if is_closing_time(state.minute, minute):
            flush(state, self._kinds)
            self._save_closing(key_id, state, minute)
            self.limits.update(limits_met(state))
            if age(state, minute, self._lateness_seconds, self._kinds):
                fired |= Trigger.HOUR
            if is_rising(state, minute):
                fired |= Trigger.VOLUME
            state.history.pause(state.clock - previous, state.clock)
        else:
            state.minute = minute
        open_gates(state)
        return fired | Trigger.WATCHED if state.hot else fired

    def _save_closing(self, key_id: str, state: KeyState, minute: int) -> None:
        # Rows of windows that leave the state before the next checkpoint.
        last = closing(minute, state.clock - self._lateness_seconds)
        leaving = {each for each in state.touched if each[1] <= last[each[0]]}
        if leaving:
            self._closed.extend(
                rows(key_id, state, leaving, self._kinds.place, self._books.rebuild)
            )
            state.touched -= leaving

    def _look(self, state: KeyState, key_id: str, trigger: int, effects: Effects) -> None:
        flush(state, self._kinds)
        if state.hot:
            trigger |= Trigger.WATCHED
        revisions = look(state, key_id, trigger, state.clock, self._rules, self._books.calibration)
        effects.incidents.extend(revisions)
        watch(state, state.minute // 60)
        raise_gates(state)

    # Control records

    def _control(self, control: Control, message: Message, effects: Effects) -> None:
        if isinstance(control, Calibration):
            self._books.calibration = control
            return
        if isinstance(control, UseQuestion):
            effects.answers.append(answer(control, self._states.find))
            return
        key_id = _key_of(control)
        state = self._state_for(key_id, message, effects, None)
        if state is None:
            return
        if isinstance(control, KeyRecord):
            state.record = control
        elif isinstance(control, Verdict):
            flush(state, self._kinds)
            effects.incidents.extend(hear(state, key_id, control, self._books.calibration))
        else:
            self._reconcile(state, key_id, control, effects)

    def _reconcile(
        self, state: KeyState, key_id: str, usage: JoinedUsage, effects: Effects
    ) -> None:
        self.counts["provider_usage"] += 1
        flush(state, self._kinds)
        if not settle(state, usage):
            return
        now = max(state.clock, epoch(usage.observed_at))
        revisions = look(state, key_id, Trigger.CONTROL, now, self._rules, self._books.calibration)
        effects.incidents.extend(revisions)


def _key_of(control: KeyRecord | Verdict | JoinedUsage) -> str:
    """Whose it is; a bill that was joined to no gateway key is the provider's key's own."""
    if isinstance(control, JoinedUsage):
        return control.key_id or control.provider_key_id or ""
    return control.key_id
