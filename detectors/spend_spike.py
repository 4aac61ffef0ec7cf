"""Far more requests or money than the key has ever used at once."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from detectors.baselines.totals import Totals
from detectors.baselines.volume import SPREAD_FLOOR
from detectors.contract import Detector, Finding, KeyView, Trigger, dollars, times
from schemas.incident import Cause

_FLOOR_NANOS = 200_000_000.0
"""Twenty cents in five minutes: below it, no volume is worth a look."""
_FLOOR_REQUESTS = 30.0
_FLOOR_NANOS_1H = 500_000_000.0
_FLOOR_REQUESTS_1H = 50.0
_RECORD_FACTOR = 2.0
"""A record is beaten now and then; twice the record is not …"""
_RECORD_NATS = 3.2
"""… and each factor e beyond it says so much."""
_MEAN_FACTOR = 8.0
_MEAN_NATS_MAX = 2.0
"""Beyond so many times an ordinary busy hour, each factor e of an hour says twice as much."""
_UPGRADED = 0.5
"""Taken off money that an upgrade to dearer models explains."""
_YOUNG_HOURS = 6.0
"""A record of so few hours is taken for half of what it may become."""
_FAILED_SHARE = 0.3
"""A request that failed was mostly one that is tried again."""
_BY_OWNER: Mapping[Cause, float] = {
    "runaway": 1.0,
    "growth": 0.8,
    "budget": 0.3,
    "leaked": 0.6,
}
_MOST = 0.5
_FULL_WEIGHT_REQUESTS = 5
_BY_MODELS: Mapping[Cause, float] = {"leaked": 0.9, "runaway": 0.7, "growth": 0.5, "budget": 0.5}
"""Most of the money went into models that are new to the key."""
_BY_NEWCOMERS: Mapping[Cause, float] = {
    "leaked": 0.85,
    "runaway": 0.7,
    "shared": 0.6,
    "exposed": 0.5,
    "growth": 0.5,
}


class SpendSpike(Detector):
    """Two tests that must agree: the tail around the hour's mean, and the ratio to the record.

    The tail is log-normal with the key's own spread, and not clipped.
    """

    name = "spend_spike"
    question = "Is this much for this key at this hour?"
    catches = "Bulk use, whoever does it: a thief without patience, a loop, a re-run of a batch."
    misses = "A thief who stays below the key's own peaks."
    advice = "Look at who spends it: the usual sources (call the owner), or new ones (revoke)."
    triggers = Trigger.VOLUME | Trigger.WATCHED | Trigger.NOVEL
    causes = _BY_OWNER
    score_max = 8.0

    def judge(self, key: KeyView) -> Finding | None:
        now = key.last_5m
        records = key.history.volume.records
        usual = key.expected[1] / 12
        beyond = _Beyond(_sigma(key), 1.0 + _YOUNG_HOURS / (key.history.hours + 1.0))
        score = max(
            beyond.evidence(
                _tried(now), key.expected[0] / 12, records.requests_5m, _FLOOR_REQUESTS
            ),
            beyond.evidence(now.nanos, usual, records.nanos_5m, _FLOOR_NANOS)
            * _by_price(key, now.requests),
            _hour_evidence(key, beyond),
        )
        score *= key.confidence
        if score <= 0.5:
            return None
        return Finding(
            score=score,
            since=key.now - 300.0,
            causes=_causes(key, now),
            summary=(
                f"{now.requests} requests and {dollars(now.nanos)} in 5 minutes, "
                f"{times(now.nanos, usual)} the usual {dollars(usual)} of this hour; "
                f"the most so far was {dollars(records.nanos_5m)}."
            ),
            evidence={
                "requests_5m": now.requests,
                "spend_usd_5m": now.nanos / 1e9,
                "usual_requests_5m": key.expected[0] / 12,
                "usual_spend_usd_5m": usual / 1e9,
                "record_requests_5m": records.requests_5m,
                "record_spend_usd_5m": records.nanos_5m / 1e9,
            },
        )


def _sigma(key: KeyView) -> float:
    # Five minutes vary more than the hours that the spread was learnt from.
    return math.hypot(key.history.volume.spread.sigma, 2 * SPREAD_FLOOR)


def _tried(totals: Totals) -> float:
    return totals.requests - (1.0 - _FAILED_SHARE) * totals.errors


def _hour_evidence(key: KeyView, beyond: "_Beyond") -> float:
    hour, usual = key.this_hour, key.expected
    volume = key.history.volume
    records = volume.records
    tried = _tried(hour)
    by_requests = beyond.evidence(tried, usual[0], records.requests_1h, _FLOOR_REQUESTS_1H)
    by_money = beyond.evidence(hour.nanos, usual[1], records.nanos_1h, _FLOOR_NANOS_1H)
    if by_requests:
        many = math.log(max(1.0, tried / (_MEAN_FACTOR * max(1.0, volume.busy_hour))))
        by_requests += min(_MEAN_NATS_MAX, 2.0 * many)
    return max(by_requests, by_money * _by_price(key, hour.requests))


def _by_price(key: KeyView, requests: int) -> float:
    # Dearer models in the place of the old ones are somebody's decision, and one request a try.
    weight = min(1.0, math.log1p(requests) / math.log1p(_FULL_WEIGHT_REQUESTS))
    return weight * (1.0 - _UPGRADED if key.upgraded else 1.0)


def _causes(key: KeyView, now: Totals) -> Mapping[Cause, float]:
    foreign = key.foreign_5m
    if 2 * foreign.requests > now.requests or 2 * foreign.nanos > now.nanos:
        return _BY_NEWCOMERS
    return _BY_MODELS if key.new_models_share > _MOST and not key.upgraded else _BY_OWNER


class _Beyond(NamedTuple):
    """How far a value lies beyond what is usual and beyond the record."""

    sigma: float
    margin: float
    """Factor on a record that is still young."""

    def evidence(self, value: float, usual: float, record: float, floor: float) -> float:
        """Nats."""
        if value < floor:
            return 0.0
        z = (math.log(value) - math.log(max(usual, floor / 8))) / self.sigma
        beyond = math.log(value / max(record * self.margin * _RECORD_FACTOR, floor / 4))
        if z <= 2.0 or beyond <= 0.0:
            return 0.0
        return min(z * z / 3, 2.0 + _RECORD_NATS * beyond)
