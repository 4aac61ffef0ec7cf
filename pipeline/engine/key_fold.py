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
from pipeline.accept import Accepted
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
from pipeline.engine.judging import look
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

    def fold(self, state: KeyState, key_id: str, events: Sequence[Accepted]) -> None:
        """Fold a key's next events."""
        lateness = self._lateness_seconds
        duplicates = late = 0
        for accepted in events:
            if not accepted.priced or accepted.source is None:
                self._note(accepted)
            at, clock = accepted.at, state.clock
            if at < clock - lateness:
                late += 1
                flush(state, self._kinds)  # its windows may be pending
                count_late(state, accepted)
                continue
            minute = int(at) // 60
            if is_duplicate(state, accepted.event.event_id, minute):
                duplicates += 1
                continue
            trigger = Trigger.NONE
            if at > clock:
                state.clock = at
                if minute != state.minute:
                    trigger = self._enter(state, key_id, minute, clock, accepted)
            trigger |= count(state, accepted, minute)
            if trigger:
                self._look(state, key_id, trigger, accepted)
        self._count("late", late)
        self._count("duplicate", duplicates)
        self._count("folded", len(events) - late - duplicates)

    def taken(self) -> tuple[list[Incident], list[SpendWindow]]:
        """What came of the runs since this was last asked, in the order of the log.

        Revisions, and the rows of windows that left their states.
        """
        found = _in_order(self._incidents), _in_order(self._closed)
        self._incidents, self._closed = [], []
        return found

    def _count(self, what: str, events: int) -> None:
        if events:
            self.counts[what] += events

    def _note(self, accepted: Accepted) -> None:
        if not accepted.priced:
            self.counts["unpriced"] += 1
        if accepted.source is None and accepted.event.client_ip is not None:
            self.counts["no_source"] += 1

    def _enter(
        self, state: KeyState, key_id: str, minute: int, previous: float, accepted: Accepted
    ) -> int:
        """Let the key's clock enter a minute; the triggers that this alone fires."""
        if not previous:
            previous = state.history.first_seen = state.clock
        fired = Trigger.NONE
        if is_closing_time(state.minute, minute):
            flush(state, self._kinds)
            self._save_closing(state, key_id, minute, accepted)
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

    def _save_closing(self, state: KeyState, key_id: str, minute: int, accepted: Accepted) -> None:
        # Rows of windows that leave the state before the next checkpoint.
        last = closing(minute, state.clock - self._lateness_seconds)
        leaving = {each for each in state.touched if each[1] <= last[each[0]]}
        if leaving:
            place = accepted.place
            found = rows(key_id, state, leaving, self._kinds.place, self._books.rebuild)
            self._closed.extend([(place, row) for row in found])
            state.touched -= leaving

    def _look(self, state: KeyState, key_id: str, trigger: int, accepted: Accepted) -> None:
        flush(state, self._kinds)
        if state.hot:
            trigger |= Trigger.WATCHED
        revisions = look(state, key_id, trigger, state.clock, self._rules, self._books.calibration)
        if revisions:
            place = accepted.place
            self._incidents.extend([(place, revision) for revision in revisions])
        watch(state, state.minute // 60)
        raise_gates(state)


def _in_order(found: list[tuple[Place, _Result]]) -> list[_Result]:
    return [each for _, each in sorted(found, key=itemgetter(0))]
