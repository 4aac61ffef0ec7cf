"""Folding one event into its key: recognised, counted, and sorted into windows.

This is the hot path: an ordinary event costs a few look-ups and additions. What an event changes
is put into `pending` by minute and slice; it moves on to windows and newcomers when the key is
looked at or five minutes end, so at points that the key's own events define.
"""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from detectors.baselines.shape import manner_of
from detectors.baselines.sketch import SIZE
from detectors.baselines.slices import OVERFLOW, slice_of
from detectors.baselines.totals import Totals, Window, add_up
from detectors.baselines.windows import HourWindow, MinuteWindow, Windows
from detectors.contract import Trigger
from pipeline.accept import Use
from pipeline.engine.long_prompts import note_long
from pipeline.engine.state import KeyState, Pending, Tally
from pipeline.enrich.kinds import Kinds

if TYPE_CHECKING:
    from schemas.spend_window import Granularity

SLICES_MAX: Final = 256
"""Slices kept apart in a minute, and in an hour; the rest is counted together."""
IDS_MAX: Final = 32_768
"""Event ids remembered per key: beyond it duplicates are not recognised."""
MINUTES_KEPT: Final = 30
"""Minutes of which the totals stay in the state; late events still find them."""
_SAMPLE_MINUTES: Final = 3
"""Of the key's own requests no more are sampled than one in so many minutes of an hour."""
_STEP_NANOS_MIN: Final = 10_000_000
"""A cent: no gate opens for less than that more."""


def count(  # noqa: C901, PLR0912 - this loop is what an ordinary event costs: calls would add to it
    state: KeyState, run: Sequence[Use], first: int, last: int, lateness_seconds: float
) -> tuple[int, int]:
    """Add events of one minute to what is pending.

    Args:
        state: of the key; its clock is in the minute of the first event, or has passed it.
        run: events of the key; the first to be counted is neither late nor known.
        first: where to begin …
        last: … and where to end, if nothing comes before: an event that is late, known or of
            another minute, or the end of one for which the key must be looked at.
        lateness_seconds: how far behind the clock an event is late.

    Returns:
        Where it ended, and the triggers for which the key must be looked at.
    """
    minute = int(run[first].at) // 60
    begins, ends = 60.0 * minute, 60.0 * minute + 60.0
    pending = state.current
    if pending is None or pending.minute != minute:
        pending = _pending_of(state, minute)
    slices, users = pending.slices, pending.users
    known, ids = state.known, pending.ids
    room = IDS_MAX - len(known)
    clock, requests, nanos, long_over = state.clock, state.requests, state.nanos, state.long_over
    gate_requests, gate_nanos = state.gate_requests, state.gate_nanos
    fired, place = Trigger.NONE, first
    for use in islice(run, first, last):
        at, digest = use.at, use.digest
        if at >= ends or at < begins or at < clock - lateness_seconds:
            break
        if digest in known:
            break
        place += 1
        if room > 0:
            room -= 1
            known.add(digest)
            ids.append(digest)
        if at > clock:  # noqa: PLR1730 - `max` is a call
            clock = at
        tally = slices.get(use.kind.token)
        if tally is None:
            tally, fired = _begin(state, pending, use)
        tally.add(use)
        if use.user:
            users.add(use.user)
            if len(users) >= SIZE:
                pending.note_users()
        requests += 1
        nanos += use.nanos
        if use.input_tokens > long_over:
            if note_long(state, pending, use):
                fired |= Trigger.VOLUME
            long_over = state.long_over
        if requests >= gate_requests or nanos >= gate_nanos:
            fired |= Trigger.VOLUME
        if fired:
            break
    state.clock, state.requests, state.nanos = clock, requests, nanos
    return place, fired


def _pending_of(state: KeyState, minute: int) -> Pending:
    pending = state.pending.get(minute)
    if pending is None:
        pending = state.begin(minute)
    state.current = pending
    return pending


def _begin(state: KeyState, pending: Pending, use: Use) -> tuple[Tally, int]:
    """The tally of a slice that is new in its minute, and what its novelty triggers."""
    token, minute = use.kind.token, pending.minute
    tally: Tally | None = None
    if len(pending.slices) >= SLICES_MAX:
        token = _crowded(use, len(pending.slices))
        tally = pending.slices.get(token)
    if tally is None:
        numbers = state.windows.tokens
        tally = pending.slices[token] = Tally(numbers.setdefault(token, len(numbers)))
    # An embedding has no answer, and nobody steals a key for embeddings.
    if use.input_tokens and use.output_tokens and not use.kind.failed:
        manner = manner_of(
            streamed=use.kind.streamed, cached=use.cached_tokens > 0, named=bool(use.user)
        )
        tally.sample = use.input_tokens, use.output_tokens, manner
    known, number = pending.hour.slices, tally.number
    history, what = state.history, slice_of(token)
    if number in known and (history.is_usual_model(what.model) or history.learning):
        return tally, Trigger.NONE
    if len(known) < SLICES_MAX:
        known.setdefault(number, 0)
    if state.novel_minute == minute or not history.is_novel(what, use.kind.source):
        return tally, Trigger.NONE
    state.novel_minute = minute
    return tally, Trigger.NOVEL


def _crowded(use: Use, slices: int) -> str:
    """The slice of a request beyond the limit: only where it came from, or nothing at all."""
    if use.kind.source is None or slices >= 2 * SLICES_MAX:
        return OVERFLOW
    return use.kind.source.ip + OVERFLOW


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
        pending.note_users()
        slices = {token: tally.totals() for token, tally in pending.slices.items()}
        window = windows.minutes.get(minute)
        if window is None:
            window = windows.minutes[minute] = MinuteWindow()
        hour = pending.hour
        day = windows.days.get(minute // 1440)
        if day is None:
            day = windows.days[minute // 1440] = Window()
        fresh = _flush_minute(state, kinds, pending, slices, window)
        hour.add(fresh)
        day.add(fresh)
        tallies = pending.slices
        if not all(hour.slices.get(each.number) for each in tallies.values()):
            # Else both have seen where these come from.
            for digest in window.sources:
                hour.note_source(digest)
                day.note_source(digest)
        for token, tally in tallies.items():
            _keep(windows, window, hour, tally.number, slices[token])
        if state.incident is not None:
            state.incident.spend_nanos += fresh.nanos
        touched.update((("1m", minute), ("1h", minute // 60), ("1d", minute // 1440)))
    state.pending.clear()
    state.current = None


def _flush_minute(
    state: KeyState,
    kinds: Kinds,
    pending: Pending,
    slices: dict[str, Totals],
    window: MinuteWindow,
) -> Totals:
    """Count slices in their minute, and for newcomers; their sum."""
    history, minute, hour = state.history, pending.minute, pending.hour
    for token, totals in slices.items():
        place = kinds.place(token)
        if place is not None:
            window.note_source(place.digest)
        newcomer = None if place is None else history.welcome(place, minute, state.record)
        if place is not None and newcomer is not None:
            what = slice_of(token)
            newcomer.observe(what, totals, minute, place.prefix)
            history.compare(newcomer, what, totals.requests)
        strange = newcomer is not None and newcomer.is_strange
        if strange:
            if window.foreign is None:
                window.foreign = Totals()
            window.foreign.add(totals)
            hour.foreign.add(totals)
        elif 60.0 * minute > history.own_last:
            history.own_last = 60.0 * minute
        sample = pending.slices[token].sample
        if sample is None:
            continue
        if newcomer is not None:
            newcomer.shape.note(*sample)
        if not strange and _SAMPLE_MINUTES * hour.shape.samples <= minute % 60:
            hour.shape.note(*sample)
    fresh = _sum(slices)
    window.add(fresh)
    return fresh


def _sum(slices: dict[str, Totals]) -> Totals:
    if len(slices) == 1:  # mostly
        return next(iter(slices.values()))
    return add_up(slices.values())


def _keep(
    windows: Windows, minute: MinuteWindow, hour: HourWindow, number: int, totals: Totals
) -> None:
    known = minute.slices.get(number)
    if known is not None:
        known.add(totals)
    elif len(minute.slices) < SLICES_MAX:
        minute.slices[number] = totals
    else:
        minute.slices.setdefault(_overflow(windows), Totals()).add(totals)
    if number not in hour.slices and len(hour.slices) >= SLICES_MAX:
        number = _overflow(windows)
    hour.slices[number] = hour.slices.get(number, 0) + totals.requests


def _overflow(windows: Windows) -> int:
    return windows.tokens.setdefault(OVERFLOW, len(windows.tokens))


def count_late(state: KeyState, use: Use) -> None:
    """Add an event behind the lateness to those of its windows that are still open."""
    at = int(use.at)
    totals = Totals(
        requests=1,
        errors=1 if use.kind.failed else 0,
        nanos=use.nanos,
        input_tokens=use.input_tokens,
        output_tokens=use.output_tokens,
        unpriced=0 if use.kind.priced else 1,
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
            if use.kind.source is not None:
                window.note_source(use.kind.source.digest)
            touched.add((granularity, number))
