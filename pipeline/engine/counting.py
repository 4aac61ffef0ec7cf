"""Folding one event into its key: recognised, counted, and sorted into windows.

This is the hot path: an ordinary event costs a few look-ups and additions. What an event changes
is put into `pending` by minute and slice; it moves on to windows and newcomers when the key is
looked at or five minutes end, so at points that the key's own events define.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from detectors.baselines.accounts import is_use
from detectors.baselines.newcomers import Newcomer
from detectors.baselines.shape import manner_of
from detectors.baselines.sketch import SIZE
from detectors.baselines.slices import OVERFLOW, slice_of
from detectors.baselines.totals import Totals
from detectors.baselines.windows import HourWindow, MinuteWindow, Windows, is_small_talk
from detectors.contract import Trigger
from pipeline.accept import Use
from pipeline.engine.long_prompts import note_long
from pipeline.engine.state import KeyState, Pending, Tally
from pipeline.enrich.kinds import Kinds
from pipeline.enrich.sources import Source
from schemas.spend_window import windows_of

SLICES_MAX: Final = 256
"""Slices kept apart in a minute, and in an hour; the rest is counted together."""
NUMBERED_MAX: Final = 4 * SLICES_MAX
"""Slices kept apart in all windows together."""
IDS_MAX: Final = 32_768
"""Event ids remembered per key: beyond it duplicates are not recognised."""
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
    slices, users, hour = pending.slices, pending.users, pending.hour
    dearest = hour.dearest
    ids, room = pending.ids, IDS_MAX - state.ids_known
    clock, requests, nanos, long_over = state.clock, state.requests, state.nanos, state.long_over
    gate_requests, gate_nanos = state.gate_requests, state.gate_nanos
    fired, place, home = Trigger.NONE, first, state.history.books.accounts.home
    for use in islice(run, first, last):
        at, digest = use.at, use.digest
        if at >= ends or at < begins or at < clock - lateness_seconds:
            break
        if state.knows(digest):
            break
        place += 1
        if room > 0:
            room -= 1
            ids[digest] = None
        if at > clock:  # noqa: PLR1730 - `max` is a call
            clock = at
        tally = slices.get(use.kind.token)
        if tally is None:
            tally, fired = _begin(state, pending, use)
        tally.add(use)
        if use.kind.account != home:
            home = _book(state, use)
        if use.user:
            users.add(use.user)
            if len(users) >= SIZE:
                pending.note_users()
        requests += 1
        nanos += use.nanos
        if use.nanos > dearest:
            dearest = hour.dearest = use.nanos
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


def _book(state: KeyState, use: Use) -> str | None:
    """Book what does not belong to the key's first account; which one that is."""
    history, hour, totals = state.history, int(use.at) // 3600, totals_of(use)
    accounts = history.books.accounts
    if accounts.home is None and is_use(totals):
        accounts.home = use.kind.account
        # The hours before are those of a key that an earlier release has seen.
        accounts.since = 0 if history.first_seen == use.at else hour + 1
    accounts.book(use.kind.account, hour, hour // 24, totals)
    return accounts.home


def totals_of(use: Use) -> Totals:
    """One request as totals."""
    return Totals(
        requests=1,
        errors=1 if use.kind.failed else 0,
        nanos=use.nanos,
        input_tokens=use.input_tokens,
        output_tokens=use.output_tokens,
        unpriced=0 if use.kind.priced else 1,
    )


def _pending_of(state: KeyState, minute: int) -> Pending:
    pending = state.pending.get(minute)
    if pending is None:
        pending = state.begin(minute)
    state.current = pending
    return pending


def _begin(state: KeyState, pending: Pending, use: Use) -> tuple[Tally, int]:
    """The tally of a slice that is new in its minute, and what its novelty triggers."""
    token, minute, numbers = use.kind.token, pending.minute, state.windows.tokens
    tally: Tally | None = None
    full = len(numbers) >= NUMBERED_MAX and token not in numbers
    if full or len(pending.slices) >= SLICES_MAX:
        token = _crowded(state, pending, use)
        tally = pending.slices.get(token)
    if tally is None:
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
    # Later, too: minutes alternate where requests are dated by when they began.
    if state.novel_minute >= minute or not history.is_novel(what, use.kind.source):
        return tally, Trigger.NONE
    state.novel_minute = minute
    return tally, Trigger.NOVEL


def _crowded(state: KeyState, pending: Pending, use: Use) -> str:
    """The slice of a request beyond the limits: only where it came from, or nothing at all."""
    source, numbers = use.kind.source, state.windows.tokens
    if source is None:
        return OVERFLOW
    token = source.ip + OVERFLOW
    known = token in numbers or len(numbers) < NUMBERED_MAX + SLICES_MAX
    if known and len(pending.slices) < 2 * SLICES_MAX:
        return token
    # It is counted as a source all the same.
    for window in (*state.windows.open(pending.minute), pending.hour):
        window.note_source(source.digest)
    return OVERFLOW


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
        window, day = windows.open(minute)
        fresh = pending.totals()
        window.add(fresh)
        pending.hour.add(fresh)
        day.add(fresh)
        for token, tally in pending.slices.items():
            totals = tally.totals()
            place = kinds.place(token)
            newcomer = None
            if place is not None:
                window.note_source(place.digest)
                if not pending.hour.slices.get(tally.number):
                    # Else both have seen where these come from.
                    pending.hour.note_source(place.digest)
                    day.note_source(place.digest)
                newcomer = _welcome(state, place, token, totals, minute)
            _tell_apart(state, pending, window, tally, totals, newcomer)
            _keep(windows, window, pending.hour, tally.number, totals)
        if state.incident is not None:
            state.incident.spend_nanos += fresh.nanos
            state.incident.unpriced += fresh.unpriced
        touched.update(windows_of(minute))
    state.pending.clear()
    state.current = None


def _welcome(
    state: KeyState, place: Source, token: str, totals: Totals, minute: int
) -> Newcomer | None:
    """The newcomer that some requests are counted for; None when they are the key's own."""
    history = state.history
    newcomer = history.welcome(place, minute, state.record)
    if newcomer is not None:
        what = slice_of(token)
        newcomer.observe(what, totals, minute, place.prefix)
        history.compare(newcomer, what, totals.requests)
    return newcomer


def _tell_apart(
    state: KeyState,
    pending: Pending,
    window: MinuteWindow,
    tally: Tally,
    totals: Totals,
    newcomer: Newcomer | None,
) -> None:
    """Count a slice for strangers, or as a sign of life of the key's own."""
    minute, hour, history = pending.minute, pending.hour, state.history
    strange = newcomer is not None and newcomer.is_strange
    if strange:
        if window.foreign is None:
            window.foreign = Totals()
        window.foreign.add(totals)
        hour.foreign.add(totals)
    elif 60.0 * minute > history.own_last:
        history.own_last = 60.0 * minute
    sample = tally.sample
    if sample is None:
        return
    if newcomer is not None:
        newcomer.shape.note(*sample)
    if strange or is_small_talk(sample[0], sample[1]):
        return
    if _SAMPLE_MINUTES * hour.shape.samples <= minute % 60:
        hour.shape.note(*sample)


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
    requests = hour.slices.get(number)
    if requests is None and len(hour.slices) >= SLICES_MAX:
        number = _overflow(windows)
        requests = hour.slices.get(number)
    hour.slices[number] = totals.requests + (requests or 0)


def _overflow(windows: Windows) -> int:
    return windows.tokens.setdefault(OVERFLOW, len(windows.tokens))
