"""The owner's own client in a loop: the same request, again and again, as regular as a clock."""

import math
from collections.abc import Mapping
from statistics import fmean, pvariance
from typing import NamedTuple

from detectors.baselines.slices import slice_of
from detectors.baselines.totals import Totals, add_up
from detectors.baselines.windows import MinuteWindow
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import paid, times
from detectors.worth import cost, worth
from schemas.incident import Cause

_MINUTES = 10
_PER_MINUTE_MIN = 5.0
_TIMES_USUAL_MIN = 3.0
_TIMES_USUAL_MIN_OF_CLOCKS = 1.5
_CLOCKWORK = 0.5
"""One prompt whose counts per minute vary so little runs by a clock: then it is enough that its
rate is new. A job that runs each night at one pace is at its record: 1.43, by the share of the
peak."""
_LONG_MINUTES = 25
_LONG_PER_MINUTE_MIN = 2.5
_LONG_TIMES_USUAL_MIN = 2.5
_LONG_CLOCKWORK = 0.4
"""A clock may be slower, if for so long (a state keeps hardly more whole minutes) it is so many
times as fast as the busiest hour so far. Agents answer one request with the next, too, but not for
as long so evenly."""
_PEAK_SHARE = 0.7
"""The best five minutes so far are nearly as usual as their rate."""
_SAME_SLICE = 0.85
_UNEVEN = 0.2
"""Prompts whose lengths vary by less than this, by the mean of each minute, are one prompt …"""
_ALIKE_NATS = 4.0
_UNLIKE_NATS = 0.7
"""… and those of a batch that runs once more are not."""
_YOUNG_PER_MINUTE = 20.0
"""What a key of no known hours may do; its own hours take that place."""
_YOUNG_HOURS = 8.0
_NANOS_MIN = 20_000_000
"""Two cents in ten minutes: a loop that costs less can wait for the morning."""

_BY_NEWCOMERS: Mapping[Cause, float] = {"leaked": 1.0, "shared": 0.5, "runaway": 0.7}
"""A stranger's program runs by a clock, too."""


class RunawayLoop(Detector):
    """Ten even minutes far above the usual rate, nearly all of one kind of request.

    People and fleets are over-dispersed; a loop is not: the variance of its counts per minute is
    below their mean.
    """

    name = "runaway_loop"
    question = "Is a machine of the owner's stuck in a loop?"
    catches = "Retry loops and agents that never finish, within a quarter of an hour."
    misses = "Loops of few requests a minute, or lost in a busy key's noise."
    advice = "Call the owner; throttle the key until the client is stopped."
    triggers = Trigger.VOLUME | Trigger.WATCHED
    causes = {"runaway": 1.0, "leaked": 0.2, "growth": 0.3}
    about = "machines"
    score_max = 9.5

    def judge(self, key: KeyView) -> Finding | None:
        minutes = _last_minutes(key, _MINUTES)
        if len(minutes) < _MINUTES:
            return None
        total = add_up(minutes)
        if total.requests < _MINUTES * _LONG_PER_MINUTE_MIN or cost(total) < _NANOS_MIN:
            return None
        pace = max(_pace(key, total), _long_pace(key))
        if pace.ratio < _TIMES_USUAL_MIN_OF_CLOCKS:
            return None
        dispersion = _dispersion(minutes)
        alike = _unevenness(minutes) < _UNEVEN
        least = _TIMES_USUAL_MIN_OF_CLOCKS
        if not alike or dispersion >= _CLOCKWORK:
            pace, least = _pace(key, total), _TIMES_USUAL_MIN
        if dispersion > 1.5 or pace.ratio < least:
            return None
        largest = _largest(key.windows.recent_slices(key.minute - 1, _MINUTES))
        # One prompt is one loop even behind several addresses.
        if (largest.of_kind if alike else largest.of_slice) < _SAME_SLICE * total.requests:
            return None
        score = 2.2 * math.log(pace.ratio / least) + 2.0 * (1.5 - dispersion)
        score += _ALIKE_NATS if alike else _UNLIKE_NATS
        # A job that runs each night has a first night.
        score = min(score, self.score_max) * key.confidence * worth(total)
        same = "nearly all alike" if alike else "of one kind"
        faster = times(pace.per_minute, pace.usual, "the rate of its busy times")
        return Finding(
            score=score,
            since=key.now - 60.0 * pace.minutes,
            causes=_BY_NEWCOMERS if key.is_by_newcomers else None,
            summary=(
                f"{pace.per_minute:.0f} requests in each of the last {pace.minutes} minutes "
                f"({_MINUTES} of them: {paid(total)}), {same} and {faster}: a loop, by its "
                "regularity."
            ),
            evidence={
                "minutes": pace.minutes,
                "requests_per_minute": pace.per_minute,
                "usual_requests_per_minute": pace.usual,
                "dispersion": dispersion,
                "share_of_one_kind": largest.of_kind / total.requests,
            },
        )


class _Pace(NamedTuple):
    """How fast the key goes, and how fast it usually does."""

    ratio: float
    per_minute: float
    usual: float
    minutes: int


_NONE = _Pace(0.0, 0.0, 0.0, _MINUTES)


def _pace(key: KeyView, total: Totals) -> _Pace:
    per_minute = total.requests / _MINUTES
    if per_minute < _PER_MINUTE_MIN:
        return _NONE
    records = key.history.volume.records
    # Sessions at full speed are no loop on a key that has always had some.
    usual = max(records.requests_1h / 120.0, _PEAK_SHARE * records.requests_5m / 5.0, _least(key))
    return _Pace(per_minute / usual, per_minute, usual, _MINUTES)


def _long_pace(key: KeyView) -> _Pace:
    minutes = _last_minutes(key, _LONG_MINUTES)
    if len(minutes) < _LONG_MINUTES or _dispersion(minutes) >= _LONG_CLOCKWORK:
        return _NONE
    per_minute = add_up(minutes).requests / _LONG_MINUTES
    usual = max(key.history.volume.records.requests_1h / 60.0, _least(key))
    if per_minute < _LONG_TIMES_USUAL_MIN * usual:
        return _NONE
    return _Pace(per_minute / usual, per_minute, usual, _LONG_MINUTES)


def _least(key: KeyView) -> float:
    """Requests a minute that are usual at this hour, or for a key of which little is known."""
    young = max(0.0, 1.0 - key.history.hours / _YOUNG_HOURS)
    return max(key.expected[0] / 60.0, young * _YOUNG_PER_MINUTE, 0.5)


class _Largest(NamedTuple):
    """Requests of the largest part of some minutes."""

    of_slice: int
    """One client, model and operation at one address."""
    of_kind: int
    """The same at all addresses."""


def _last_minutes(key: KeyView, length: int) -> list[MinuteWindow]:
    """Those with any request; the current one is not over yet."""
    windows = key.windows.minutes
    numbers = range(key.minute - length, key.minute)
    return [window for number in numbers if (window := windows.get(number)) is not None]


def _dispersion(minutes: list[MinuteWindow]) -> float:
    """Variance of the counts per minute relative to their mean: 1 when they come at random."""
    counts = [each.requests for each in minutes]
    return pvariance(counts) / fmean(counts)


def _unevenness(minutes: list[MinuteWindow]) -> float:
    """Variation of the lengths of prompts, relative to their mean.

    By the means of minutes, which vary the less the more prompts there are in each.
    """
    served = [each for each in minutes if each.served]
    if not served:
        return 0.0
    lengths = [each.input_tokens / each.served for each in served]
    mean = fmean(lengths)
    each_minute = fmean([each.served for each in served])
    return math.sqrt(pvariance(lengths) * each_minute) / mean if mean else 0.0


def _largest(slices: dict[str, Totals]) -> _Largest:
    kinds: dict[tuple[str, str, str], int] = {}
    for token, each in slices.items():
        what = slice_of(token)
        kind = (what.client, what.model, what.operation)
        kinds[kind] = kinds.get(kind, 0) + each.requests
    of_slice = max([each.requests for each in slices.values()], default=0)
    return _Largest(of_slice, max(kinds.values(), default=0))
