"""Far longer prompts than the key ever sends."""

import math
from typing import NamedTuple

from detectors.baselines.totals import Totals
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted, dollars, times
from detectors.worth import worth

_REQUESTS_MIN = 3
_RECORD_FACTOR = 2.5
_RECORD_FACTOR_1H = 1.8
"""Records are those of hours; minutes vary more."""
_HOURS_MIN = 4.0
_YOUNG_HOURS = 4.0
"""The longest request of so few hours is taken for half of what it may become."""
_LONG_NATS = 2.8
"""Nats for each factor e beyond the longest request so far."""
_FULL_WEIGHT_REQUESTS = 7
_LONG_MINUTES = 30


class TokenStuffing(Detector):
    """Input tokens per request in 15 minutes against the key's hours, and against its longest."""

    name = "token_stuffing"
    question = "Are these prompts of the usual length?"
    catches = "Few requests with enormous prompts, which a count of requests does not see."
    misses = "Long prompts of a key that has always sent some."
    advice = "Look at who sends them; cap the tokens per request at the gateway."
    triggers = Trigger.VOLUME | Trigger.WATCHED | Trigger.HOUR | Trigger.NOVEL
    causes = {"leaked": 1.0, "runaway": 0.9, "growth": 0.5}
    score_max = 8.5

    def judge(self, key: KeyView) -> Finding | None:
        found = max(
            _on_average(key, _Part(key.last_15m, "15 minutes", key.now - 900.0), _RECORD_FACTOR),
            _on_average(
                key, _Part(key.this_hour, "this hour", key.hour * 3600.0), _RECORD_FACTOR_1H
            ),
            _one_by_one(key),
            key=lambda each: each.score,
        )
        now = found.part.totals
        score = found.score * worth(now)
        if score <= 0.5:
            return None
        return Finding(
            score=score,
            since=found.part.since,
            summary=(
                f"{found.length:,.0f} input tokens per request over "
                f"{counted(now.requests, 'request')} ({dollars(now.nanos)}) in {found.part.name}, "
                f"{times(found.length, found.usual)} the usual {found.usual:,.0f}; "
                f"the record is {found.record:,.0f}."
            ),
            evidence={
                "tokens_per_request": found.length,
                "usual_tokens_per_request": found.usual,
                "record_tokens_per_request": found.record,
            },
        )


class _Part(NamedTuple):
    """Requests of some time."""

    totals: Totals
    name: str
    since: float
    """Unix seconds."""


class _Found(NamedTuple):
    """Requests that may be too long."""

    score: float
    part: _Part
    length: float
    usual: float
    record: float


def _on_average(key: KeyView, part: _Part, factor: float) -> _Found:
    """All requests of some time against the means of hours."""
    now, prompt = part.totals, key.history.prompt
    length = max(1.0, now.input_tokens / max(1, now.requests))
    most = prompt.record * factor
    score = 0.0
    if now.requests >= _REQUESTS_MIN and most and length / most > 1.0:
        excess = prompt.excess(length)
        if excess >= 3.0:
            excess = min(excess, 3.0 + 4.0 * math.log(length / most))
            score = excess * _weight(now.requests) * key.confidence
    return _Found(score, part, length, prompt.usual, prompt.record)


def _one_by_one(key: KeyView) -> _Found:
    """Those that were far longer than any before, however many short ones hide them."""
    now, history = key.windows.recent_longs(key.minute, _LONG_MINUTES), key.history
    length = now.input_tokens / max(1, now.requests)
    score = 0.0
    if now.requests >= _REQUESTS_MIN and history.hours >= _HOURS_MIN:
        young = 1.0 + _YOUNG_HOURS / history.hours
        beyond = math.log(max(1.0, length / (history.longest * young)))
        score = (2.0 + _LONG_NATS * beyond) * _weight(now.requests)
    part = _Part(now, f"{_LONG_MINUTES} minutes", key.now - 60.0 * _LONG_MINUTES)
    return _Found(score, part, length, history.prompt.usual, history.longest)


def _weight(requests: int) -> float:
    return min(1.0, math.log1p(requests) / math.log1p(_FULL_WEIGHT_REQUESTS))
