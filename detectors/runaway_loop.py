"""The owner's own client in a loop: the same request, again and again, as regular as a clock."""

import math
from statistics import fmean, pvariance
from typing import NamedTuple

from detectors.baselines.slices import slice_of
from detectors.baselines.totals import add_up
from detectors.baselines.windows import MinuteWindow
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import dollars, times
from detectors.worth import cost, worth

_MINUTES = 10
_PER_MINUTE_MIN = 5.0
_TIMES_USUAL_MIN = 3.0
_TIMES_USUAL_MIN_OF_CLOCKS = 1.5
_CLOCKWORK = 0.5
"""One prompt whose counts per minute vary so little runs by a clock: then it is enough that its
rate is new. A job that runs each night at one pace is at its record: 1.43, by the share of the
peak."""
_PEAK_SHARE = 0.7
"""The best five minutes so far are nearly as usual as their rate."""
_SAME_SLICE = 0.85
_UNEVEN = 0.06
"""Prompts whose mean length varies by less than this from minute to minute are one prompt …"""
_ALIKE_NATS = 4.0
_UNLIKE_NATS = 1.4
"""… and those of a batch that runs once more are not."""
_YOUNG_PER_MINUTE = 20.0
"""What a key of no known hours may do; its own hours take that place."""
_YOUNG_HOURS = 8.0
_NANOS_MIN = 20_000_000
"""Two cents in ten minutes: a loop that costs less can wait for the morning."""


class RunawayLoop(Detector):
    """Ten even minutes far above the usual rate, nearly all of one kind of request.

    People and fleets are over-dispersed; a loop is not: the variance of its counts per minute is
    below their mean.
    """

    name = "runaway_loop"
    question = "Is a machine of the owner's stuck in a loop?"
    catches = "Retry loops and agents that never finish, within a quarter of an hour."
    misses = "Loops slower than five requests a minute, or lost in a busy key's noise."
    advice = "Call the owner; throttle the key until the client is stopped."
    triggers = Trigger.VOLUME | Trigger.WATCHED
    causes = {"runaway": 1.0, "leaked": 0.2, "growth": 0.3}
    about = "machines"
    score_max = 9.5

    def judge(self, key: KeyView) -> Finding | None:
        minutes = _last_minutes(key)
        if len(minutes) < _MINUTES:
            return None
        total, counts = add_up(minutes), [each.requests for each in minutes]
        if total.requests < _MINUTES * _PER_MINUTE_MIN:
            return None
        mean = fmean(counts)
        records = key.history.volume.records
        usual = max(key.expected[0] / 60.0, records.requests_1h / 120.0, 0.5)
        # Sessions at full speed are no loop on a key that has always had some.
        usual = max(usual, _PEAK_SHARE * records.requests_5m / 5.0)
        young = max(0.0, 1.0 - key.history.hours / _YOUNG_HOURS)
        usual = max(usual, young * _YOUNG_PER_MINUTE)
        ratio = mean / usual
        dispersion = pvariance(counts) / mean
        if ratio < _TIMES_USUAL_MIN_OF_CLOCKS or dispersion > 1.5 or cost(total) < _NANOS_MIN:
            return None
        alike = _unevenness(minutes) < _UNEVEN
        clockwork = alike and dispersion < _CLOCKWORK
        least = _TIMES_USUAL_MIN_OF_CLOCKS if clockwork else _TIMES_USUAL_MIN
        if ratio < least:
            return None
        largest = _largest(minutes)
        # One prompt is one loop even behind several addresses.
        if (largest.of_kind if alike else largest.of_slice) < _SAME_SLICE * total.requests:
            return None
        score = 2.2 * math.log(ratio / least) + 2.0 * (1.5 - dispersion)
        score += _ALIKE_NATS if alike else _UNLIKE_NATS
        # A job that runs each night has a first night.
        score *= key.confidence * worth(total)
        return Finding(
            score=score,
            since=key.now - 60.0 * _MINUTES,
            summary=(
                f"{mean:.0f} requests in each of the last {_MINUTES} minutes "
                f"({dollars(total.nanos)}), nearly all alike and {times(mean, usual)} the usual "
                f"rate: a loop, by its regularity."
            ),
            evidence={
                "requests_per_minute": mean,
                "usual_requests_per_minute": usual,
                "dispersion": dispersion,
                "share_of_one_kind": largest.of_kind / total.requests,
            },
        )


class _Largest(NamedTuple):
    """Requests of the largest part of some minutes."""

    of_slice: int
    """One client, model and operation at one address."""
    of_kind: int
    """The same at all addresses."""


def _last_minutes(key: KeyView) -> list[MinuteWindow]:
    """Those with any request; the current one is not over yet."""
    windows = key.windows.minutes
    numbers = range(key.minute - _MINUTES, key.minute)
    return [window for number in numbers if (window := windows.get(number)) is not None]


def _unevenness(minutes: list[MinuteWindow]) -> float:
    """Variation of the mean length of prompts between minutes, relative to the mean."""
    lengths = [each.input_tokens / each.requests for each in minutes if each.requests]
    mean = fmean(lengths)
    return math.sqrt(pvariance(lengths)) / mean if mean else 0.0


def _largest(minutes: list[MinuteWindow]) -> _Largest:
    slices: dict[str, int] = {}
    kinds: dict[tuple[str, str, str], int] = {}
    for window in minutes:
        for token, each in window.slices.items():
            what = slice_of(token)
            kind = (what.client, what.model, what.operation)
            slices[token] = slices.get(token, 0) + each.requests
            kinds[kind] = kinds.get(kind, 0) + each.requests
    return _Largest(max(slices.values(), default=0), max(kinds.values(), default=0))
