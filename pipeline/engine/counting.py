"""Folding one event into its key: recognised, counted, and sorted into windows.

This is the hot path: an ordinary event costs a few look-ups and additions. What an event changes
is put into `pending` by minute and slice; it moves on to windows and newcomers when the key is
looked at or five minutes end, so at points that the key's own events define.
"""

from typing import TYPE_CHECKING, Final

from xxhash import xxh3_64_intdigest

from detectors.baselines.sketch import SIZE
from detectors.baselines.slices import OVERFLOW, slice_of
from detectors.baselines.totals import Totals, Window
from detectors.baselines.windows import HourWindow, MinuteWindow
from detectors.contract import Trigger
from pipeline.accept import Accepted
from pipeline.engine.state import KeyState, Pending, Tally
from pipeline.enrich.kinds import Kinds

if TYPE_CHECKING:
    from schemas.spend_window import Granularity

SLICES_MAX: Final = 256
"""Slices kept apart in a minute, and in an hour; the rest is counted together."""
IDS_MAX: Final = 32_768
"""Event ids remembered per key: beyond it duplicates are not recognised."""
LONG_FACTOR: Final = 1.5
"""Requests so much longer than the longest so far are counted apart."""
IDS_MINUTES: Final = 5
"""Ids are forgotten in groups of so many minutes, named by their first."""
MINUTES_KEPT: Final = 30
"""Minutes of which the totals stay in the state; late events still find them."""
_STEP_NANOS_MIN: Final = 10_000_000
"""A cent: no gate opens for less than that more."""


def is_duplicate(state: KeyState, event_id: str, minute: int) -> bool:
    """Whether the key has shown this event id lately; remembers it when not."""
    digest = xxh3_64_intdigest(event_id.encode())
    seen = state.seen
    if digest in seen:
        return True
    if len(seen) < IDS_MAX:
        seen.add(digest)
        group = minute - minute % IDS_MINUTES
        ids = state.ids.get(group)
        if ids is None:
            state.ids[group] = [digest]
        else:
            ids.append(digest)
    return False


def count(state: KeyState, accepted: Accepted, minute: int) -> int:
    """Add an event to what is pending; the triggers for which the key must be looked at."""
    pending = state.current
    if pending is None or pending.minute != minute:
        pending = _pending_of(state, minute)
    fired = Trigger.NONE
    tally = pending.slices.get(accepted.token)
    if tally is None:
        tally, fired = _begin(state, pending, accepted)
    event, nanos = accepted.event, accepted.nanos
    input_tokens, user = event.input_tokens, event.end_user
    tally.requests += 1
    tally.nanos += nanos
    tally.input_tokens += input_tokens
    tally.output_tokens += event.output_tokens
    if event.status >= 400:
        tally.errors += 1
    if not accepted.priced:
        tally.unpriced += 1
    if user:
        pending.users.add(user)
        if len(pending.users) >= SIZE:
            state.note_users(pending)
    state.requests += 1
    state.nanos += nanos
    if input_tokens > state.long_over and _note_long(state, accepted, minute):
        fired |= Trigger.VOLUME
    if state.requests >= state.gate_requests or state.nanos >= state.gate_nanos:
        fired |= Trigger.VOLUME
    return fired


def _pending_of(state: KeyState, minute: int) -> Pending:
    pending = state.pending.get(minute)
    if pending is None:
        pending = state.pending[minute] = Pending(minute)
    state.current = pending
    return pending


def _begin(state: KeyState, pending: Pending, accepted: Accepted) -> tuple[Tally, int]:
    """The tally of a slice that is new in its minute, and what its novelty triggers."""
    token, minute = accepted.token, pending.minute
    if len(pending.slices) >= SLICES_MAX:
        token = _crowded(accepted, len(pending.slices))
    tally = pending.slices.setdefault(token, Tally())
    tokens = state.hour_of(minute).tokens
    if token in tokens:
        return tally, Trigger.NONE
    if len(tokens) < SLICES_MAX:
        tokens[token] = 0
    if state.novel_minute == minute or not state.history.is_novel(slice_of(token), accepted.source):
        return tally, Trigger.NONE
    state.novel_minute = minute
    return tally, Trigger.NOVEL


def _note_long(state: KeyState, accepted: Accepted, minute: int) -> bool:
    """Note a request longer than the record; True when it is worth a look."""
    event, windows = accepted.event, state.windows
    hour = state.hour_of(minute)
    hour.longest = max(hour.longest, event.input_tokens)
    record = state.history.longest
    if not record or event.input_tokens < LONG_FACTOR * record:
        state.long_over = event.input_tokens
        return False
    longs = windows.longs.setdefault(minute, Totals())
    longs.add(Totals(1, 0, accepted.nanos, event.input_tokens, event.output_tokens))
    return longs.requests & (longs.requests - 1) == 0


def _crowded(accepted: Accepted, slices: int) -> str:
    """The slice of a request beyond the limit: only where it came from, or nothing at all."""
    if accepted.source is None or slices >= 2 * SLICES_MAX:
        return OVERFLOW
    return accepted.source.ip + OVERFLOW


def open_gates(state: KeyState) -> None:
    """Set the gates of a minute that begins."""
    state.requests = state.nanos = 0
    state.gate_requests, state.gate_nanos = _gates(state)


def raise_gates(state: KeyState) -> None:
    """Set the gates for the rest of a minute in which the key was looked at."""
    requests, nanos = _gates(state)
    state.gate_requests = max(requests, 2 * state.requests)
    state.gate_nanos = max(nanos, 2 * state.nanos, _STEP_NANOS_MIN)


def _gates(state: KeyState) -> tuple[int, int]:
    return (1, 1) if state.hot else (state.usual_requests, state.usual_nanos)


def flush(state: KeyState, kinds: Kinds) -> None:
    """Move what is pending into windows and newcomers."""
    windows, touched = state.windows, state.touched
    for minute, pending in state.pending.items():
        state.note_users(pending)
        slices = {token: tally.totals() for token, tally in pending.slices.items()}
        window = windows.minutes.get(minute)
        if window is None:
            window = windows.minutes[minute] = MinuteWindow()
        hour = state.hour_of(minute)
        day = windows.days.get(minute // 1440)
        if day is None:
            day = windows.days[minute // 1440] = Window()
        fresh = _flush_minute(state, kinds, minute, slices, window, hour)
        for wider in (hour, day):
            wider.add(fresh)
            for digest in window.sources:
                wider.note_source(digest)
        for token, totals in slices.items():
            _keep(window, hour, token, totals)
        if state.incident is not None:
            state.incident.spend_nanos += fresh.nanos
        touched.update((("1m", minute), ("1h", minute // 60), ("1d", minute // 1440)))
    state.pending.clear()
    state.current = None


def _flush_minute(
    state: KeyState,
    kinds: Kinds,
    minute: int,
    slices: dict[str, Totals],
    window: MinuteWindow,
    hour: HourWindow,
) -> Totals:
    """Count slices in their minute, and for newcomers; their sum."""
    history = state.history
    for token, totals in slices.items():
        place = kinds.place(token)
        if place is not None:
            window.note_source(place.digest)
        newcomer = None if place is None else history.welcome(place, minute)
        if place is not None and newcomer is not None:
            what = slice_of(token)
            newcomer.observe(what, totals, minute, place.prefix)
            history.compare(newcomer, what, totals.requests)
        if newcomer is not None and newcomer.is_strange:
            window.foreign.add(totals)
            hour.foreign.add(totals)
        elif 60.0 * minute > history.own_last:
            history.own_last = 60.0 * minute
    fresh = _sum(slices)
    window.add(fresh)
    return fresh


def _sum(slices: dict[str, Totals]) -> Totals:
    if len(slices) == 1:  # mostly
        return next(iter(slices.values()))
    total = Totals()
    for each in slices.values():
        total.add(each)
    return total


def _keep(minute: MinuteWindow, hour: HourWindow, token: str, totals: Totals) -> None:
    known = minute.slices.get(token)
    if known is not None:
        known.add(totals)
    elif len(minute.slices) < SLICES_MAX:
        minute.slices[token] = totals
    else:
        minute.slices.setdefault(OVERFLOW, Totals()).add(totals)
    if token not in hour.tokens and len(hour.tokens) >= SLICES_MAX:
        token = OVERFLOW
    hour.tokens[token] = hour.tokens.get(token, 0) + totals.requests


def count_late(state: KeyState, accepted: Accepted) -> None:
    """Add an event behind the lateness to those of its windows that are still open."""
    at = int(accepted.at)
    event = accepted.event
    totals = Totals(
        requests=1,
        errors=1 if event.status >= 400 else 0,
        nanos=accepted.nanos,
        input_tokens=event.input_tokens,
        output_tokens=event.output_tokens,
        unpriced=0 if accepted.priced else 1,
    )
    windows, touched = state.windows, state.touched
    found: tuple[tuple[Granularity, int, Window | None], ...] = (
        ("1m", at // 60, windows.minutes.get(at // 60)),
        ("1h", at // 3600, windows.hours.get(at // 3600)),
        ("1d", at // 86400, windows.days.get(at // 86400)),
    )
    for granularity, number, window in found:
        if window is not None:
            window.add(totals)
            if accepted.source is not None:
                window.note_source(accepted.source.digest)
            touched.add((granularity, number))
