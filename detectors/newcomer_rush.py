"""A new source that does much, at once or hour after hour, on top of what the key does anyway."""

import math
from typing import NamedTuple

from detectors.baselines.totals import Totals, add_up
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted, mean, paid, span

_REQUESTS_MIN = 8
_NANOS_MIN = 100_000_000
_RUSH_NATS = 1.2
"""For each factor e above what is usual."""
_RECORD_SHARE = 0.35
_STAY_SECONDS = 3600.0
_STAY_REQUESTS_MIN = 12
_STAY_SHARE = 0.35
"""Of what the whole key usually does in the time: more is much for a guest …"""
_STAY_NATS = 1.3
_STAY_SURE = 3.0
_STAY_MORE = 0.4
"""Share that counts of what is beyond so many nats: a new colleague may do much, too."""
_STAY_HOURS_MIN = 8.0
"""… but who comes for an hour in the morning does not work all day: stays count as so long."""
_LEAST_NATS = 0.5
_FEW_REQUESTS = 6.0
"""A key that usually does less is taken to do so many."""


class NewcomerRush(Detector):
    """What newcomers did against all that is usual for the key in that time.

    Five minutes and the time since they came are asked, and the stranger of the two is told.
    """

    name = "newcomer_rush"
    question = "Do new sources use the key more than its owner does?"
    catches = "Bulk use by somebody else, in minutes; a thief without haste, in hours."
    misses = "A thief who takes far less than the owner does."
    advice = "Compare the sources; if the new ones are not a planned roll-out, revoke."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"leaked": 1.0, "shared": 0.9, "exposed": 0.9}
    about = "strangers"
    score_max = 4.0

    def judge(self, key: KeyView) -> Finding | None:
        if not key.newcomers:
            return None
        rush = max(_in_five_minutes(key), _since_they_came(key), key=lambda each: each.nats)
        if rush.nats < _LEAST_NATS:
            return None
        score = rush.nats * (1.0 - key.replaced) * key.confidence * key.newcomers_weight
        if score < _LEAST_NATS:
            return None
        return Finding(
            score=score,
            since=key.now - rush.seconds,
            summary=(
                f"New sources made {counted(rush.done.requests, 'request')} ({paid(rush.done)}) in "
                f"{span(rush.seconds)}; in {span(rush.usual_seconds)} of its usual work the whole "
                f"key makes {mean(*rush.usual)}."
            ),
            evidence={
                "seconds": rush.seconds,
                "requests": rush.done.requests,
                "spend_usd": rush.done.nanos / 1e9,
                "usual_requests": rush.usual[0],
                "usual_spend_usd": rush.usual[1] / 1e9,
                "usual_seconds": rush.usual_seconds,
            },
        )


class _Rush(NamedTuple):
    """What newcomers did in a time, and what the whole key usually does in it."""

    nats: float
    seconds: float
    done: Totals
    usual: tuple[float, float]
    """Requests and nano-dollars, of its usual work …"""
    usual_seconds: float
    """… of so long a time."""


_NONE = _Rush(0.0, 300.0, Totals(), (0.0, 0.0), 300.0)


def _in_five_minutes(key: KeyView) -> _Rush:
    if key.last_5m.requests < _REQUESTS_MIN and key.last_5m.nanos < _NANOS_MIN:  # whoever made them
        return _NONE
    foreign, volume = key.foreign_5m, key.history.volume
    if foreign.requests < _REQUESTS_MIN and foreign.nanos < _NANOS_MIN:
        return _NONE
    # Neither is it a rush when the owner works at night what is usual by day, nor, where the
    # owner comes and goes, when it is like the owner's own sessions.
    sessions = _RECORD_SHARE * (1.0 - key.regularity)
    records = volume.records
    usual = (
        max(key.expected[0] / 12, volume.busy_hour / 24, sessions * records.requests_5m),
        max(key.expected[1] / 12, sessions * records.nanos_5m),
    )
    by_requests = math.log(max(foreign.requests, 1) / max(usual[0], 3.0))
    by_money = math.log(max(foreign.nanos, 1) / max(usual[1], _NANOS_MIN / 2))
    nats = _RUSH_NATS * max(by_requests, by_money)
    return _Rush(nats, 300.0, foreign, usual, 300.0)


def _since_they_came(key: KeyView) -> _Rush:
    # Another client at a known place is as likely the owner's own growth.
    strangers = key.strangers
    requests = sum([each.totals.requests for each in strangers])
    if requests < _STAY_REQUESTS_MIN:
        return _NONE
    seconds = key.now - min([each.first for each in strangers])
    if seconds < _STAY_SECONDS:
        return _NONE
    done = add_up([each.totals for each in strangers])
    volume = key.history.volume
    days = max(seconds / 3600.0, _STAY_HOURS_MIN) / 24.0
    sessions = _RECORD_SHARE * (1.0 - key.regularity) * min(1.0, days)
    by_day = volume.expected_day(key.hour, key.zone)
    usual = (
        max(by_day[0] * days, volume.busy_hour, sessions * volume.records.requests_1d),
        max(by_day[1] * days, sessions * volume.records.nanos_1d),
    )
    by_requests = requests / max(usual[0], _FEW_REQUESTS)
    by_money = max(done.nanos, 1) / max(usual[1], _NANOS_MIN / 2)
    nats = _STAY_NATS * math.log(max(by_requests, by_money) / _STAY_SHARE)
    nats = min(nats, _STAY_SURE + _STAY_MORE * (nats - _STAY_SURE))
    return _Rush(nats, seconds, done, usual, days * 86400.0)
