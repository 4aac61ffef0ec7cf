"""Folding a partition of the log: messages are sorted by key, and each key's events folded."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from detectors.contract import Trigger
from pipeline.accept import Batch, Control, Use, dead_letter, raw_lines
from pipeline.engine.bookkeeping import Bookkeeping
from pipeline.engine.counting import flush
from pipeline.engine.hearing import hear
from pipeline.engine.judging import look
from pipeline.engine.key_fold import KeyFold
from pipeline.engine.reconciling import answer, settle
from pipeline.engine.rules import Rules
from pipeline.engine.state import KeyState, encode_state
from pipeline.engine.states import States
from pipeline.engine.window_rows import rows
from pipeline.message import Message
from schemas.calibration import Calibration
from schemas.codec import Refused, decode_event, encode
from schemas.dead_letter import DeadLetter
from schemas.fields import epoch
from schemas.gateway_use import UseAnswer, UseQuestion
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.provider_usage import JoinedUsage
from schemas.spend_window import SpendWindow
from schemas.topics import DEAD_LETTERS, GATEWAY_USE, INCIDENTS, MOVED_HEADER, Topic
from schemas.verdict import Verdict

_OLD_SECONDS: Final = 14 * 86_400.0
"""A key that was created so long before the registry told of it is no new one."""
_MISPLACED: Final = Refused("misplaced_twice", "the record is not in the partition of its key")
Runs = dict[str, list[Use]]
"""What waits to be folded, by key, in the order of the log."""


@dataclass(slots=True)
class Effects:
    """What a message caused."""

    incidents: list[Incident] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    moved: list[tuple[str, bytes]] = field(default_factory=list)
    """(key_id, event) of events that belong to another partition."""
    answers: list[UseAnswer] = field(default_factory=list)

    def records(self) -> Iterator[tuple[Topic, Struct, str | None]]:
        """What others are to hear: topic, record and key of each. Moved events are none of it."""
        for incident in self.incidents:
            yield INCIDENTS, incident, incident.key_id
        for letter in self.dead_letters:
            yield DEAD_LETTERS, letter, None
        for said in self.answers:
            yield GATEWAY_USE, said, said.question_id


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
        self._partition = partition
        self._partitions = partitions
        self._books = Bookkeeping(rules.calibration)
        self._keys = KeyFold(rules, self._books)
        self._states = States(rules.in_use_max)
        self._changed: list[str] = []
        """Keys whose states changed since the last checkpoint."""
        self._closed: list[SpendWindow] = []
        self.counts = self._keys.counts
        """Usage events by what became of them: `folded`, `late`, `duplicate`, `already_folded`,
        `moved`; and, of the first three, those that are `unpriced` or have `no_source`."""
        self.limits = self._keys.limits
        """How often windows of a key closed while it stood at a limit of its state, by limit."""

    def restore(self, key: str, value: bytes) -> None:
        """Take in one stored state, before the first fold.

        Raises:
            UnknownStateError: it is a key's, and none or one of another version.
            msgspec.DecodeError: it is the partition's own, and none.
        """
        if not self._books.restore(key, value):
            self._states.restore(key, value)

    def fold(self, *messages: Message) -> Effects:
        """Fold the next messages of the partition; together they are quicker than one by one.

        The same messages have the same effects, however they are cut and grouped.

        Raises:
            OtherLogError: the log is not the one that the states are of.
            UnknownStateError: a key's state, whose version was checked, cannot be read after all.
        """
        accept = self._rules.acceptor.accept
        return self.fold_accepted(accept(message) for message in messages)

    def fold_accepted(self, batches: Iterable[Batch]) -> Effects:
        """Fold what the acceptor made of messages."""
        effects = Effects()
        runs: Runs = {}
        for batch in batches:
            if not self._is_next(batch):
                continue
            effects.dead_letters.extend(batch.dead_letters)
            if batch.controls:  # what they change holds from here on
                self._fold_runs(runs, effects)
                for control in batch.controls:
                    self._control(control, batch.message, effects)
            self._sort(batch, runs, effects)
        self._fold_runs(runs, effects)
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

    def _is_next(self, batch: Batch) -> bool:
        if self._partitions is None or self._books.pass_on(batch.message):
            return True
        if batch.uses:
            self.counts["already_folded"] += len(batch.uses)
        return False

    def _sort(self, batch: Batch, runs: Runs, effects: Effects) -> None:
        """Put events to the others of their keys."""
        strays: list[tuple[str, int]] = []
        for key_id, use in zip(batch.key_ids, batch.uses, strict=True):
            run = runs.get(key_id)
            if run is not None:
                run.append(use)
            elif self._is_mine(key_id):
                runs[key_id] = [use]
            else:
                strays.append((key_id, use.index))
        if strays:
            self._move(strays, batch.message, effects)

    def _fold_runs(self, runs: Runs, effects: Effects) -> None:
        for key_id in list(runs):
            run = runs.pop(key_id)
            state = self._state_of(key_id)
            if self._partitions is not None:
                run = self._unfolded(state, run)
            if run:
                self._keys.fold(state, key_id, run)
                self._note_change(state, key_id)
        incidents, closed = self._keys.taken()
        effects.incidents += incidents
        self._closed += closed

    def _unfolded(self, state: KeyState, run: list[Use]) -> list[Use]:
        """What of a run the key has not been told yet."""
        position = state.position
        state.position = max(position, run[-1].message.offset)
        if position < run[0].message.offset:
            return run
        unfolded = [each for each in run if each.message.offset > position]
        self.counts["already_folded"] += len(run) - len(unfolded)
        return unfolded

    def _state_of(self, key_id: str) -> KeyState:
        state = self._states.find(key_id)
        if state is None:
            state = self._states.in_use[key_id] = KeyState()
        return state

    def _note_change(self, state: KeyState, key_id: str) -> None:
        if not state.changed:
            state.changed = True
            self._changed.append(key_id)

    def _is_mine(self, key_id: str) -> bool:
        """Whether a key belongs here; one that is known does."""
        partitions = self._partitions
        return (
            partitions is None
            or key_id in self._states
            or partition_of(key_id, partitions) == self._partition
        )

    def _move(self, strays: Iterable[tuple[str, int]], message: Message, effects: Effects) -> None:
        """Publish events of other partitions once more: (key, line) of each."""
        lines = raw_lines(message)
        for key_id, index in strays:
            raw = encode(decode_event(lines[index]))
            if MOVED_HEADER in message.headers:
                effects.dead_letters.append(dead_letter(message, index, raw, _MISPLACED))
                continue
            self.counts["moved"] += 1
            if not self._books.rebuild.was_moved(message):
                effects.moved.append((key_id, raw))

    # Control records

    def _control(self, control: Control, message: Message, effects: Effects) -> None:
        if isinstance(control, Calibration):
            self._books.calibration = control
            return
        if isinstance(control, UseQuestion):
            effects.answers.append(answer(control, self._states.find))
            return
        key_id = _key_of(control)
        if not self._is_mine(key_id):
            letter = dead_letter(message, 0, message.value, _MISPLACED, type(control))
            effects.dead_letters.append(letter)
            return
        state = self._state_of(key_id)
        if self._partitions is not None:
            if state.position >= message.offset:
                return
            state.position = message.offset
        self._note_change(state, key_id)
        if isinstance(control, KeyRecord):
            _register(state, control)
            _lay_by(state, control, message.told_at)
        elif isinstance(control, Verdict):
            flush(state, self._kinds)
            effects.incidents.extend(hear(state, key_id, control, self._books.calibration))
        else:
            self._reconcile(state, key_id, control, effects)

    def _reconcile(
        self, state: KeyState, key_id: str, usage: JoinedUsage, effects: Effects
    ) -> None:
        flush(state, self._kinds)
        now = max(state.clock, epoch(usage.observed_at))
        if not settle(state, usage, now):
            return
        revisions = look(state, key_id, Trigger.CONTROL, now, self._rules, self._books.calibration)
        effects.incidents.extend(revisions)


def _register(state: KeyState, record: KeyRecord) -> None:
    volume = state.history.volume
    volume.move(volume.zone(state.record), volume.zone(record), int(state.clock // 3600))
    state.record = record


def _lay_by(state: KeyState, record: KeyRecord, told_at: int) -> None:
    """Note since when a key is known, if it was old by then: its first use may be a thief's."""
    if state.clock or state.laid_by or record.created_at is None:
        return
    if told_at - epoch(record.created_at) >= _OLD_SECONDS:
        state.laid_by = told_at


def _key_of(control: KeyRecord | Verdict | JoinedUsage) -> str:
    """Whose it is; a bill that was joined to no gateway key is the provider's key's own."""
    if isinstance(control, JoinedUsage):
        return control.key_id or control.provider_key_id or ""
    return control.key_id
