"""Far more requests or money than the key has ever used at once."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from detectors.baselines.level import SPREAD_FLOOR
from detectors.baselines.totals import Totals
from detectors.contract import Detector, Finding, KeyView
from detectors.words import counted, mean, paid
from detectors.worth import WORTH_USD, worth
from schemas.incident import Cause

_FLOOR_NANOS = 200_000_000.0
"""Twenty cents in five minutes: below it, no volume is worth a look."""
_FLOOR_REQUESTS = 30.0
_FLOOR_NANOS_1H = 500_000_000.0
_FLOOR_REQUESTS_1H = 50.0
_FLOOR_NANOS_1D = 2_000_000_000.0
_FLOOR_REQUESTS_1D = 200.0
_DEAR_DAY_NANOS = 5_000_000_000
_DEAR_DAY_RECORDS = 4.0
_DAILY_SPREAD = 0.5
"""From five dollars on, and four times the requests and the money of any day, days are held to
differ half as much as hours do."""
_RECORD_FACTOR = 2.0
"""A record is beaten now and then; twice the record is not …"""
_RECORD_NATS = 3.2
"""… and each factor e beyond it says so much …"""
_SPREAD_NATS = 2.0
"""… or this, over the standard deviation of the logarithm of the key's hours, where that is less:
the more they differ, the more easily a record is beaten. It binds where the tail does not: early
on, when the spread is still taken for wide."""
_MEAN_FACTOR = 8.0
_MEAN_NATS_MAX = 2.0
"""Beyond so many times an ordinary busy hour, each factor e of an hour says twice as much."""
_YOUNG_HOURS = 6.0
"""A record of so few hours is taken for half of what it may become."""
_BY_OWNER: Mapping[Cause, float] = {
    "runaway": 1.0,
    "growth": 0.8,
    "budget": 0.3,
    "leaked": 0.6,
}
_FULL_WEIGHT_REQUESTS = 5
"""Dear requests from which money counts in full: one is a try."""
_SCORE_MAX = 8.0
_OWNERS_USD = 10.0
"""What the owner's own machines do for less is a load test, or a batch that runs once more: from
about a dollar and a half on it may page alone."""
_WINDOWS = {"5m": "5 minutes", "1h": "this hour", "1d": "this day"}
_BY_NEWCOMERS: Mapping[Cause, float] = {
    "leaked": 0.85,
    "runaway": 0.7,
    "shared": 0.6,
    "exposed": 0.5,
    "growth": 0.5,
}


class SpendSpike(Detector):
    """Two tests that must agree: the tail around the hour's mean, and the ratio to the record.

    The tail is log-normal with the key's own spread, and not clipped. Five minutes, the hour and
    the day are asked, and the strangest is told.
    """

    name = "spend_spike"
    question = "Is this much for this key, in minutes, an hour or a day?"
    catches = "Bulk use, whoever does it: a thief without patience, a loop, a re-run of a batch."
    misses = "A thief who stays below the key's own peaks."
    advice = "Look at who spends it: the usual sources (call the owner), or new ones (revoke)."
    causes = _BY_OWNER
    score_max = _SCORE_MAX

    def judge(self, key: KeyView) -> Finding | None:
        if not _beats_records(key):
            return None
        requests, money = _beyond(key)
        best = max(
            _in_5_minutes(key, requests, money),
            _in_this_hour(key, requests, money),
            _in_this_day(key, requests, money),
            key=lambda each: each.nats,
        )
        # However much more it is: what costs cents wakes nobody.
        full_usd = _OWNERS_USD if _is_by_owner(key) else WORTH_USD
        score = min(best.nats, self.score_max) * key.confidence * worth(best.now, full_usd)
        if score <= 0.5:
            return None
        return Finding(
            score=score,
            since=best.since(key),
            causes=_causes(key),
            summary=(
                f"{counted(best.now.requests, 'request')} ({paid(best.now)}) in {best.window}, "
                f"where {mean(*best.usual)} are usual; the most lately was about "
                f"{mean(max(1.0, round(best.record[0])), best.record[1])}."
            ),
            evidence=best.evidence(),
        )

    def began(self, key: KeyView, finding: Finding) -> float | None:
        of_day = "requests_1d" in finding.evidence
        return key.first_use_today if of_day else super().began(key, finding)


def _beats_records(key: KeyView) -> bool:
    """Whether any window is so far beyond its record that there is something to weigh."""
    margin, records = _margin(key), key.history.volume.records
    now = key.last_5m
    if _beats(now.served, records.requests_5m, _FLOOR_REQUESTS, margin):
        return True
    if _beats(now.nanos, records.nanos_5m, _FLOOR_NANOS, margin):
        return True
    now = key.this_hour
    if _beats(now.served, records.requests_1h, _FLOOR_REQUESTS_1H, margin):
        return True
    if _beats(now.nanos, records.nanos_1h, _FLOOR_NANOS_1H, margin):
        return True
    if not records.requests_1d:
        return False
    now = key.today
    return _beats(now.served, records.requests_1d, _FLOOR_REQUESTS_1D, margin) or _beats(
        now.nanos, records.nanos_1d, _FLOOR_NANOS_1D, margin
    )


def _margin(key: KeyView) -> float:
    """Factor on a record that is still young."""
    return 1.0 + _YOUNG_HOURS / (key.history.hours + 1.0)


def _beats(value: float, record: float, floor: float, margin: float) -> bool:
    return value >= floor and _times(value, record, floor, margin) > 1.0


def _times(value: float, record: float, floor: float, margin: float) -> float:
    """How many times as much as a record may be beaten by."""
    return value / max(record * margin * _RECORD_FACTOR, floor / 4)


def _beyond(key: KeyView) -> tuple["_Beyond", "_Beyond"]:
    """What is beyond the usual requests, and the usual money."""
    volume, margin = key.history.volume, _margin(key)
    by_requests, by_money = volume.spread.sigma, volume.spread_nanos.sigma
    # Five minutes vary more than the hours that the spread was learnt from.
    sigma = math.hypot(by_requests, 2 * SPREAD_FLOOR)
    if key.is_by_newcomers:
        # That the owner is bursty excuses nobody else.
        by_requests = by_money = 0.0
    return _Beyond(sigma, margin, _slope(by_requests)), _Beyond(sigma, margin, _slope(by_money))


def _slope(spread: float) -> float:
    """Nats for each factor e beyond the record."""
    return min(_RECORD_NATS, _SPREAD_NATS / max(spread, 0.1))


def _in_5_minutes(key: KeyView, requests: "_Beyond", money: "_Beyond") -> "_Spike":
    now, records = key.last_5m, key.history.volume.records
    usual = (key.expected[0] / 12, key.expected[1] / 12)
    by_requests = requests.evidence(now.served, usual[0], records.requests_5m, _FLOOR_REQUESTS)
    by_money = money.evidence(now.nanos, usual[1], records.nanos_5m, _FLOOR_NANOS)
    nats = max(by_requests, _weighed(by_money, key, now))
    return _Spike(nats, "5m", now, usual, (records.requests_5m, records.nanos_5m))


def _in_this_hour(key: KeyView, requests: "_Beyond", money: "_Beyond") -> "_Spike":
    now, usual = key.this_hour, key.expected
    volume = key.history.volume
    records = volume.records
    by_requests = requests.evidence(now.served, usual[0], records.requests_1h, _FLOOR_REQUESTS_1H)
    by_money = money.evidence(now.nanos, usual[1], records.nanos_1h, _FLOOR_NANOS_1H)
    if by_requests:
        many = math.log(max(1.0, now.served / (_MEAN_FACTOR * max(1.0, volume.busy_hour))))
        by_requests += min(_MEAN_NATS_MAX, 2.0 * many)
    nats = max(by_requests, _weighed(by_money, key, now))
    return _Spike(nats, "1h", now, usual, (records.requests_1h, records.nanos_1h))


def _in_this_day(key: KeyView, requests: "_Beyond", money: "_Beyond") -> "_Spike":
    """What adds up over the hours, each of them too little to stand out."""
    now, volume = key.today, key.history.volume
    records = volume.records
    if not records.requests_1d:
        return _Spike(0.0, "1d", now, (0.0, 0.0), (0.0, 0.0))
    # Of a first Saturday, say, all that is known is what it has been so far itself.
    expected = volume.expected_day(key.hour, key.zone)
    usual = (min(expected[0], records.requests_1d), min(expected[1], records.nanos_1d))
    # What was much this morning is not told all day: it has to go on as it was.
    tried = min(now.served, 24.0 * max(key.this_hour.served, 4 * key.last_15m.served))
    spent = min(now.nanos, 24.0 * max(key.this_hour.nanos, 4 * key.last_15m.nanos))
    beaten = min(now.served / records.requests_1d, now.nanos / max(records.nanos_1d, 1.0))
    if now.nanos >= _DEAR_DAY_NANOS and beaten >= _DEAR_DAY_RECORDS:
        daily = math.hypot(_DAILY_SPREAD * volume.spread.sigma, SPREAD_FLOOR)
        requests, money = requests._replace(sigma=daily), money._replace(sigma=daily)
    by_requests = requests.evidence(tried, usual[0], records.requests_1d, _FLOOR_REQUESTS_1D)
    by_money = money.evidence(spent, usual[1], records.nanos_1d, _FLOOR_NANOS_1D)
    nats = max(by_requests, _weighed(by_money, key, now))
    return _Spike(nats, "1d", now, usual, (records.requests_1d, records.nanos_1d))


def _weighed(by_money: float, key: KeyView, now: Totals) -> float:
    """What money says, as far as it counts: few dear requests hide among many cheap ones."""
    dearest = max([1, *[each.dearest for each in key.windows.hours.values()]])
    dear = min(now.requests, now.nanos / dearest)
    share = min(1.0, math.log1p(dear) / math.log1p(_FULL_WEIGHT_REQUESTS))
    return share * min(by_money, _SCORE_MAX)


def _is_by_owner(key: KeyView) -> bool:
    """Whether known addresses do it, or the company's; of a key without any nobody knows."""
    return (not key.is_by_newcomers or key.is_in_house) and bool(key.history.prefixes.values)


def _causes(key: KeyView) -> Mapping[Cause, float]:
    return _BY_NEWCOMERS if key.is_by_newcomers else _BY_OWNER


class _Spike(NamedTuple):
    """A window, and how strange it is."""

    nats: float
    length: str
    """`5m`, `1h` or `1d`."""
    now: Totals
    usual: tuple[float, float]
    """Requests and nano-dollars, as in the record."""
    record: tuple[float, float]

    @property
    def window(self) -> str:
        """The window in words."""
        return _WINDOWS[self.length]

    def since(self, key: KeyView) -> float:
        """When the window began, in Unix seconds."""
        if self.length == "5m":
            return key.now - 300.0
        return key.hour * 3600.0 if self.length == "1h" else key.day * 86_400.0

    def evidence(self) -> dict[str, float]:
        """The numbers behind the sentence."""
        return {
            f"requests_{self.length}": self.now.requests,
            f"spend_usd_{self.length}": self.now.nanos / 1e9,
            f"usual_requests_{self.length}": self.usual[0],
            f"usual_spend_usd_{self.length}": self.usual[1] / 1e9,
            f"record_requests_{self.length}": self.record[0],
            f"record_spend_usd_{self.length}": self.record[1] / 1e9,
        }


class _Beyond(NamedTuple):
    """How far a value lies beyond what is usual and beyond the record."""

    sigma: float
    margin: float
    """On a record."""
    slope: float
    """Nats for each factor e beyond the record."""

    def evidence(self, value: float, usual: float, record: float, floor: float) -> float:
        """Nats."""
        if value < floor:
            return 0.0
        times = _times(value, record, floor, self.margin)
        if times <= 1.0:
            return 0.0
        z = (math.log(value) - math.log(max(usual, floor / 8))) / self.sigma
        if z <= 2.0:
            return 0.0
        return min(z * z / 3, 2.0 + self.slope * math.log(times))
