"""What the passing of a key's own time does: windows close, and honest hours are learnt."""

from typing import Final

from detectors.baselines.learning import learn
from detectors.baselines.newcomers import forget
from detectors.baselines.slices import slice_of
from detectors.baselines.windows import MINUTES_KEPT, SLICES_MINUTES, HourWindow, Windows
from pipeline.engine.counting import SLICES_MAX
from pipeline.engine.long_prompts import enter_hour
from pipeline.engine.state import IDS_MINUTES, KeyState
from pipeline.enrich.kinds import Kinds
from schemas.spend_window import SECONDS, Granularity

CLOSING_MINUTES: Final = 5
"""Windows close when the key's clock enters another stretch of so many minutes."""
_GATE_SHARE = 0.5
"""A minute with this share of the record of five minutes is worth a look."""
_GATE_REQUESTS_MIN = 12
_GATE_NANOS_MIN = 50_000_000
_YOUNG_GATE_REQUESTS = 60
_YOUNG_GATE_NANOS = 200_000_000
"""Nothing is usual for a young key yet; only plain bulk is worth a look."""
_SLICES_KEPT_MAX = 640
"""Slices of past minutes that stay in the state; older minutes keep their totals only."""
_TOKENS_MAX = 2 * SLICES_MAX
"""With more slices than this it is not left until an hour ends to forget those of past minutes."""
_SLIGHT = 10
"""A minute with less than a tenth of the hour's peak cannot raise it by much."""
_RARE_ACTIVITY = 0.2
"""Hours in which the key works on fewer days than this are watched closely."""
_CHECKED_SECONDS = 3 * 86_400.0
"""So long a key may be only checked before it is used; then that is what is known of it."""
_WATCHED_NATS = 1.5
_RISING_REQUESTS_MIN = 5
_LONG_FACTOR = 2.0
"""An hour whose requests are so much longer than in any before it is worth a look."""


def age(state: KeyState, minute: int, lateness_seconds: float, kinds: Kinds) -> bool:
    """Let the key's clock enter a minute at closing time; True when it entered a new hour."""
    previous = state.minute
    state.minute = minute
    _note_peaks(state, previous)
    horizon = state.clock - lateness_seconds
    _thin(state.windows, previous, minute)
    _expire_ids(state, int(horizon // 60))
    _close(state, minute, horizon, kinds)
    entered = minute // 60 != previous // 60
    if entered:
        _set_usual(state, minute // 60)
    return entered


def is_rising(state: KeyState, minute: int) -> bool:
    """Whether the hour so far has something that its minutes alone would not show."""
    hour = state.windows.hours.get(minute // 60)
    if hour is None or hour.requests < _RISING_REQUESTS_MIN:
        return False
    history = state.history
    records = history.volume.records
    if hour.requests > records.requests_1h + _RISING_REQUESTS_MIN:
        return True
    if hour.nanos > records.nanos_1h + _GATE_NANOS_MIN:
        return True
    return hour.input_tokens > _LONG_FACTOR * history.prompt.record * hour.requests


def _note_peaks(state: KeyState, last: int) -> None:
    hour = state.windows.hours.get(last // 60)
    if hour is None:
        return
    if _is_suspect(state):
        for each in state.windows.hours.values():  # it may have begun before the clock struck
            each.clean = False
    elif state.incident is not None and state.incident.severity == "ticket":
        hour.doubtful = True
    minutes, peak = state.windows.minutes, hour.peak
    recent = [minutes.get(each) for each in range(last - last % CLOSING_MINUTES - 4, last + 1)]
    requests = [0 if window is None else window.requests for window in recent]
    nanos = [0 if window is None else window.nanos for window in recent]
    most_requests, most_nanos = peak.requests, peak.nanos
    for place in range(4, len(recent)):
        slight = _SLIGHT * requests[place] < most_requests and _SLIGHT * nanos[place] < most_nanos
        if requests[place] and not slight:
            most_requests = max(most_requests, sum(requests[place - 4 : place + 1]))
            most_nanos = max(most_nanos, sum(nanos[place - 4 : place + 1]))
    peak.requests, peak.nanos = most_requests, most_nanos


def _is_suspect(state: KeyState) -> bool:
    """Whether what goes on must not be learnt as normal."""
    if state.incident is not None:
        return state.incident.severity == "page"
    return state.calm is not None and state.calm.snoozed and state.clock < state.calm.until


def _thin(windows: Windows, previous: int, minute: int) -> None:
    """Drop the slices of minutes that became too old for them since the last closing."""
    minutes, last = windows.minutes, minute - SLICES_MINUTES
    first = previous - previous % CLOSING_MINUTES - SLICES_MINUTES
    for number in range(max(first, last - MINUTES_KEPT), last + 1):
        window = minutes.get(number)
        if window is not None:
            window.slices = {}
    if SLICES_MINUTES * len(windows.tokens) <= _SLICES_KEPT_MAX:  # mostly
        return
    kept = sum([len(window.slices) for window in minutes.values()])
    if kept > _SLICES_KEPT_MAX:
        for number in sorted(minutes):
            kept -= len(minutes[number].slices)
            minutes[number].slices = {}
            if kept <= _SLICES_KEPT_MAX:
                break


def _expire_ids(state: KeyState, first: int) -> None:
    for group in [group for group in state.ids if group + IDS_MINUTES <= first]:
        del state.ids[group]


def is_closing_time(previous: int, minute: int) -> bool:
    """Whether windows close when the clock goes from one minute to another."""
    return previous // CLOSING_MINUTES != minute // CLOSING_MINUTES


def closing(minute: int, horizon: float) -> dict[Granularity, int]:
    """The last window of each granularity that leaves the state when the clock enters a minute.

    Args:
        minute: the minute that the clock enters.
        horizon: the key's clock less the lateness, in Unix seconds.
    """
    over = int(horizon)
    return {
        "1m": min(over // SECONDS["1m"] - 1, minute - MINUTES_KEPT),
        "1h": over // SECONDS["1h"] - 1,
        "1d": over // SECONDS["1d"] - 1,
    }


def _close(state: KeyState, minute: int, horizon: float, kinds: Kinds) -> None:
    windows, last = state.windows, closing(minute, horizon)
    for number in [each for each in windows.minutes if each <= last["1m"]]:
        del windows.minutes[number]
    for number in [each for each in windows.longs if each <= minute - MINUTES_KEPT]:
        del windows.longs[number]
    over = [each for each in windows.hours if each <= last["1h"]]
    for number in sorted(over):
        _learn(state, number, windows.close_hour(number), kinds)
    if over or len(windows.tokens) > _TOKENS_MAX:
        windows.renumber()
    for number in [each for each in windows.days if each <= last["1d"]]:
        day = windows.days.pop(number)
        state.history.volume.learn_day(day)
        state.history.books.enter_day(number, day)


def _learn(state: KeyState, hour: int, window: HourWindow, kinds: Kinds) -> None:
    state.history.enter_month(hour, window)
    if state.history.books.bills or (state.record and state.record.provider_key_id):
        state.history.books.enter(hour, window)
    else:
        state.history.books.accounts.forget_hours(hour)
    if not window.clean:
        state.history.volume.pass_over(hour)
        return
    if window.is_small_talk and 3600 * hour - state.history.first_seen < _CHECKED_SECONDS:
        return  # a service is made ready: that is no use of the key
    tokens = state.windows.named(window.slices)
    seen = [(slice_of(token), kinds.place(token)) for token in tokens]
    learn(state.history, hour, state.record, seen, window)
    forget(state.history.newcomers, hour)


def _set_usual(state: KeyState, hour: int) -> None:
    history = state.history
    enter_hour(state, hour)
    records = history.volume.records
    if history.learning:
        state.usual_requests, state.usual_nanos = _YOUNG_GATE_REQUESTS, _YOUNG_GATE_NANOS
        watch(state, hour)
        return
    state.usual_requests = max(_GATE_REQUESTS_MIN, int(records.requests_5m * _GATE_SHARE))
    state.usual_nanos = max(_GATE_NANOS_MIN, int(records.nanos_5m * _GATE_SHARE))
    watch(state, hour)


def watch(state: KeyState, hour: int) -> None:
    """Decide whether the key is watched closely from now on."""
    history = state.history
    zone = history.volume.zone(state.record)
    since = state.clock - 3600.0
    paged = state.incident is not None and state.incident.severity == "page"
    state.hot = not paged and (
        state.incident is not None
        or any(
            (each.forbidden or each.nats >= _WATCHED_NATS) and each.last >= since
            for each in history.newcomers.values()
        )
        or (not history.learning and history.volume.activity(hour, zone) < _RARE_ACTIVITY)
    )
