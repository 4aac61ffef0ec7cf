"""Folding one event into its key: recognised, counted, and sorted into windows.

This is the hot path: an ordinary event costs a few look-ups and additions. What an event changes
is put into `pending` by slice; it moves on to windows and newcomers when the key is looked at or
its minute ends, so at points that the key's own events define.
"""

from typing import Final

from xxhash import xxh3_64_intdigest

from detectors.baselines.slices import OVERFLOW, Place, slice_of
from detectors.baselines.totals import Totals, Window
from detectors.baselines.windows import HourWindow, MinuteWindow, Windows
from detectors.contract import Trigger
from pipeline.accept import Accepted
from pipeline.engine.slicer import Slicer
from pipeline.engine.state import Gates, KeyState
from schemas.spend_window import Granularity

SLICES_MAX: Final = 256
"""Slices kept apart in a minute, and in an hour; the rest is counted together."""
IDS_MAX: Final = 32_768
"""Event ids remembered per key: beyond it duplicates are not recognised."""
_IDS_COUNTED_FROM: Final = 256
"""Ids of a minute below which nobody counts those of the others."""
MINUTES_KEPT: Final = 30
"""Minutes of which the totals stay in the state; late events still find them."""

Touched = set[tuple[Granularity, int]]


def is_duplicate(state: KeyState, event_id: str, minute: int) -> bool:
    """Whether the key has shown this event id lately; remembers it when not."""
    digest = xxh3_64_intdigest(event_id.encode())
    ids = state.ids
    for seen in ids.values():
        if digest in seen:
            return True
    own = ids.get(minute)
    if own is None:
        ids[minute] = {digest}
    elif len(own) < _IDS_COUNTED_FROM or sum(map(len, ids.values())) < IDS_MAX:
        own.add(digest)
    return False


def count(state: KeyState, accepted: Accepted, token: str, minute: int) -> int:
    """Add an event to what is pending; tells whether the key must be looked at."""
    pending = state.pending.get(minute)
    if pending is None:
        pending = state.pending[minute] = {}
    totals = pending.get(token)
    fired = Trigger.NONE
    if totals is None:
        if len(pending) >= SLICES_MAX:
            token = _crowded(accepted, len(pending))
        totals = pending.setdefault(token, Totals())
        if state.novel_minute != minute and _is_novel(state, token, accepted.source, minute):
            state.novel_minute = minute
            fired = Trigger.NOVEL
    event = accepted.event
    totals.requests += 1
    totals.nanos += accepted.nanos
    totals.input_tokens += event.input_tokens
    totals.output_tokens += event.output_tokens
    if event.status >= 400:
        totals.errors += 1
    if not accepted.priced:
        totals.unpriced += 1
    state.requests += 1
    state.nanos += accepted.nanos
    gates = state.gates
    if state.requests >= gates.requests or state.nanos >= gates.nanos:
        fired |= Trigger.VOLUME
    return fired


def _crowded(accepted: Accepted, slices: int) -> str:
    """The slice of a request beyond the limit: only where it came from, or nothing at all."""
    if accepted.source is None or slices >= 2 * SLICES_MAX:
        return OVERFLOW
    return accepted.source.ip + OVERFLOW


def _is_novel(state: KeyState, token: str, place: Place | None, minute: int) -> bool:
    hour = state.windows.hours.get(minute // 60)
    if hour is not None and token in hour.tokens:
        return False
    return state.history.is_novel(slice_of(token), place)


def open_gates(state: KeyState, *, looked: bool = False) -> None:
    """Set the gates for the rest of the minute."""
    floor = state.usual
    if not looked:
        state.requests = state.nanos = 0
        state.gates = Gates(1, 1) if state.hot else Gates(floor.requests, floor.nanos)
        return
    low = Gates(1, 1) if state.hot else floor
    state.gates = Gates(
        max(low.requests, 2 * state.requests), max(low.nanos, 2 * state.nanos, 10_000_000)
    )


def flush(state: KeyState, slicer: Slicer, touched: Touched) -> None:
    """Move what is pending into windows and newcomers."""
    for minute, slices in state.pending.items():
        hour, day = minute // 60, minute // 1440
        windows = state.windows
        minute_window = windows.minutes.setdefault(minute, MinuteWindow())
        hour_window = windows.hours.setdefault(hour, HourWindow())
        day_window = windows.days.setdefault(day, Window())
        for token, totals in slices.items():
            place = slicer.place(token)
            for window in (minute_window, hour_window, day_window):
                window.add(totals)
                if place is not None:
                    window.note_source(place.digest)
            _keep(minute_window, hour_window, token, totals)
            newcomer = state.history.welcome(place, minute) if place is not None else None
            if newcomer is not None and place is not None:
                what = slice_of(token)
                newcomer.observe(what, totals, minute, place.prefix)
                state.history.compare(newcomer, what, totals.requests)
                minute_window.foreign.add(totals)
                hour_window.foreign.add(totals)
            elif 60.0 * minute > state.history.own_last:
                state.history.own_last = 60.0 * minute
            if state.incident is not None:
                state.incident.spend_nanos += totals.nanos
        touched.update((("1m", minute), ("1h", hour), ("1d", day)))
    state.pending.clear()


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


def count_late(state: KeyState, accepted: Accepted, touched: Touched) -> None:
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
    windows: Windows = state.windows
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
