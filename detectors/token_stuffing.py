"""Far longer prompts than the key ever sends."""

import math
from typing import NamedTuple

from detectors.baselines.coding_agents import work_weight
from detectors.baselines.totals import Totals
from detectors.contract import Detector, Finding, KeyView
from detectors.words import counted, paid, times
from detectors.worth import cost, invested, worth

_REQUESTS_MIN = 3
_RECORD_FACTOR = 1.8
_HOURS_MIN = 4.0
_YOUNG_HOURS = 4.0
"""The longest request of so few hours is taken for half of what it may become."""
_LONG_NATS = 2.8
"""Nats for each factor e beyond the longest request so far."""
_FULL_WEIGHT_REQUESTS = 7
_LONG_MINUTES = 30
_MANY_REQUESTS = 20
"""Fewer, of the key's own sources, count by what they cost."""


class TokenStuffing(Detector):
    """Input tokens per request in an hour against the key's hours, and against its longest."""

    name = "token_stuffing"
    question = "Are these prompts of the usual length?"
    catches = "Few requests with enormous prompts, which a count of requests does not see."
    misses = "Long prompts of a key that has always sent some, and a coding agent's."
    advice = "Look at who sends them; cap the tokens per request at the gateway."
    causes = {"leaked": 1.0, "runaway": 0.9, "growth": 0.5}
    score_max = 8.5

    def judge(self, key: KeyView) -> Finding | None:
        some = [each for each in (_on_average(key), _one_by_one(key)) if each is not None]
        if not some:
            return None
        found = max(some, key=lambda each: each.score)
        now = found.totals
        score = found.score * worth(now) * work_weight(_clients(key))
        if key.is_among_its_own:  # the owner may have a few long documents
            score *= max(invested(cost(now)), min(1.0, found.many / _MANY_REQUESTS))
        if score <= 0.5:
            return None
        return Finding(
            score=score,
            since=found.since,
            summary=(
                f"{found.length:,.0f} input tokens per request over "
                f"{counted(now.requests, 'request')} ({paid(now)}) in {found.name}, "
                f"{times(found.length, found.usual, f'the usual {found.usual:,.0f}')}; "
                f"{found.most} so far {found.record:,.0f}."
            ),
            evidence={
                "tokens_per_request": found.length,
                "usual_tokens_per_request": found.usual,
                "record_tokens_per_request": found.record,
            },
        )

    def began(self, key: KeyView, finding: Finding) -> float | None:
        since = finding.since
        longs = [60.0 * minute for minute in key.windows.longs if minute >= since // 60]
        return max(since, min(longs)) if longs else super().began(key, finding)


class _Found(NamedTuple):
    """Requests of some time that are too long."""

    score: float
    totals: Totals
    many: float
    """Requests that were long, about: one may be all that makes a mean."""
    name: str
    """Of the time …"""
    since: float
    """… and its beginning, in Unix seconds."""
    length: float
    usual: float
    record: float
    most: str
    """What the record is of."""


def _clients(key: KeyView) -> list[str]:
    """Who sent most of what was sent lately."""
    sent = max((totals.input_tokens for _, totals in key.sums_15m), default=0)
    return [what.client for what, totals in key.sums_15m if totals.input_tokens == sent]


def _on_average(key: KeyView) -> _Found | None:
    """All requests of this hour against the means of hours."""
    now, prompt = key.this_hour, key.history.prompt
    if now.requests < _REQUESTS_MIN or not prompt.record:
        return None
    most = max(prompt.record * _RECORD_FACTOR, float(key.windows.conversation))
    length = max(1.0, now.input_tokens / now.requests)
    if length / most <= 1.0:
        return None
    excess = prompt.excess(length)
    if excess < 3.0:
        return None
    excess = min(excess, 3.0 + 4.0 * math.log(length / most))
    many = float(now.requests)
    if now.longest > prompt.usual:
        most_of_it = now.input_tokens - prompt.usual * now.requests
        many = min(many, most_of_it / (now.longest - prompt.usual))
    return _Found(
        excess * _weight(many) * key.confidence,
        now,
        many,
        "this hour",
        key.hour * 3600.0,
        length,
        prompt.usual,
        prompt.record,
        "the most on average in an hour",
    )


def _one_by_one(key: KeyView) -> _Found | None:
    """Those that were far longer than any before, however many short ones hide them."""
    history = key.history
    if not key.windows.longs or history.hours < _HOURS_MIN:
        return None
    now = key.windows.recent_longs(key.minute, _LONG_MINUTES)
    if now.requests < _REQUESTS_MIN:
        return None
    length = now.input_tokens / now.requests
    young = 1.0 + _YOUNG_HOURS / history.hours
    beyond = math.log(max(1.0, length / (history.longest * young)))
    score = (2.0 + _LONG_NATS * beyond) * _weight(now.requests)
    return _Found(
        score,
        now,
        float(now.requests),
        f"{_LONG_MINUTES} minutes",
        key.now - 60.0 * _LONG_MINUTES,
        length,
        history.prompt.usual,
        history.longest,
        "the longest of all",
    )


def _weight(requests: float) -> float:
    return min(1.0, math.log1p(requests) / math.log1p(_FULL_WEIGHT_REQUESTS))
