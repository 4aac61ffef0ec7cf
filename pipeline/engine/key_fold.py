"""Folding a run of events into their key, in the order of the log.

Events of many messages are folded key by key, since most of what an event costs is to fetch the
state of another key from memory. Nothing that one key's events do depends on another's, so only
the order in which results come out has to be restored: each is kept with its place in the log.
"""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import TypeVar

from detectors.contract import Trigger
from pipeline.accept import Use
from pipeline.engine.ageing import age, closing, is_closing_time, is_rising, watch
from pipeline.engine.bookkeeping import Bookkeeping
from pipeline.engine.counting import count, flush, open_gates, raise_gates
from pipeline.engine.judging import look
from pipeline.engine.lateness import count_late
from pipeline.engine.limits import limits_met
from pipeline.engine.rules import Rules
from pipeline.engine.state import KeyState
from pipeline.engine.window_rows import rows
from schemas.incident import Incident
from schemas.spend_window import SpendWindow

Place = tuple[int, int]
"""In the log: the offset of the message, and the line in it."""
_Result = TypeVar("_Result")


class KeyFold:
    """What the runs of every key share, and what came of them."""

    def __init__(self, rules: Rules, books: Bookkeeping) -> None:
        self._rules = rules
        self._kinds = rules.kinds
        self._lateness_seconds = rules.lateness_seconds
        self._books = books
        self._incidents: list[tuple[Place, Incident]] = []
        self._closed: list[tuple[Place, SpendWindow]] = []
        self.counts: Counter[str] = Counter()
        self.limits: Counter[str] = Counter()

    def fold(self, state: KeyState, key_id: str, run: Sequence[Use]) -> None:
        """Fold a key's next events."""
        self._note(run)
        duplicates = late = place = 0
        while place < len(run):
            use = run[place]
            if use.at < state.clock - self._lateness_seconds:
                late += 1
                flush(state, self._kinds)  # its windows may be pending
                count_late(state, use)
                place += 1
            elif state.knows(use.digest):
                duplicates += 1
                place += 1
            else:
                place = self._advance(state, key_id, run, place)
        if late:
            self.counts["late"] += late
        if duplicates:
            self.counts["duplicate"] += duplicates
        if folded := len(run) - late - duplicates:
            self.counts["folded"] += folded

    def taken(self) -> tuple[list[Incident], list[SpendWindow]]:
        """What came of the runs since this was last asked, in the order of the log.

        Revisions, and the rows of windows that left their states.
        """
        found = _in_order(self._incidents), _in_order(self._closed)
        self._incidents, self._closed = [], []
        return found

    def _note(self, run: Sequence[Use]) -> None:
        kinds = [each.kind for each in run if each.kind.lost or not each.kind.priced]
        if unpriced := len([each for each in kinds if not each.priced]):
            self.counts["unpriced"] += unpriced
        if lost := len([each for each in kinds if each.lost]):
            self.counts["no_source"] += lost

    def _advance(self, state: KeyState, key_id: str, run: Sequence[Use], first: int) -> int:
        """Count events up to one for which the key is looked at; where the next begin."""
        entered = self._enter(state, key_id, run[first])
        last = first + 1 if entered else len(run)
        place, fired = count(state, run, first, last, self._lateness_seconds)
        if entered or fired:
            self._look(state, key_id, entered | fired, run[place - 1])
        return place

    def _enter(self, state: KeyState, key_id: str, use: Use) -> int:
        """Let the key's clock enter the minute of an event; the triggers that this alone fires."""
        minute, previous = int(use.at) // 60, state.clock
        if use.at <= previous or minute == state.minute:
            return Trigger.NONE
        state.clock = use.at
        if not previous:
            state.history.first_seen = state.clock
            previous = state.laid_by or state.clock
        fired = Trigger.NONE
        if is_closing_time(state.minute, minute):
            flush(state, self._kinds)
            self._save_closing(state, key_id, minute, use)
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

    def _save_closing(self, state: KeyState, key_id: str, minute: int, use: Use) -> None:
        # Rows of windows that leave the state before the next checkpoint.
        last = closing(minute, state.clock - self._lateness_seconds)
        leaving = {each for each in state.touched if each[1] <= last[each[0]]}
        if leaving:
            place = use.place
            found = rows(key_id, state, leaving, self._kinds.place, self._books.rebuild)
            self._closed.extend([(place, row) for row in found])
            state.touched -= leaving

    def _look(self, state: KeyState, key_id: str, trigger: int, use: Use) -> None:
        flush(state, self._kinds)
        if state.hot:
            trigger |= Trigger.WATCHED
        revisions = look(state, key_id, trigger, state.clock, self._rules, self._books.calibration)
        if revisions:
            place = use.place
            self._incidents.extend([(place, revision) for revision in revisions])
        watch(state, state.minute // 60)
        raise_gates(state)


def _in_order(found: list[tuple[Place, _Result]]) -> list[_Result]:
    return [each for _, each in sorted(found, key=itemgetter(0))]
