"""Work at hours at which the key rests."""

import math

from detectors.baselines.volume import Volume
from detectors.baselines.zones import clock
from detectors.contract import Detector, Finding, KeyView
from detectors.words import counted, mean, paid
from detectors.worth import worth

_DAYS_NEEDED = 3.0
"""Days that must be known before an hour can be called unusual."""
_FULL_WEIGHT_REQUESTS = 20
_BURST_NATS = 2.4
"""Nats for each factor e above half of the key's busy hour, or a third of its record …"""
_BURST_MAX = 4.0
_BUSY_SHARE = 0.5
_RECORD_SHARE = 0.35
_QUIET_SHARE = 0.08
"""An hour with so small a share of a busy one is a time of rest."""
_JOB_HOURS = 4.0
"""… but a job of so few hours may be run again as a whole."""
_ELSEWHERE = 0.5
"""Strangers, and colleagues who travel, keep the hours of where they are: that says little more."""


class OffHours(Detector):
    """The surprise of any activity in an hour of the week, weighted by how much there is."""

    name = "off_hours"
    question = "Does the key ever work at this hour?"
    catches = "A burst at night or at a weekend on a key that keeps hours."
    misses = "Thieves in the owner's hours; keys that never rest."
    advice = "Ask whether somebody works late; if the source is new too, revoke."
    causes = {"leaked": 1.0, "runaway": 0.6, "shared": 0.5, "budget": 0.3}
    score_max = 7.5

    def judge(self, key: KeyView) -> Finding | None:
        volume = key.history.volume
        if key.history.learning or volume.weekdays + volume.weekends < _DAYS_NEEDED:
            return None
        now, expected = key.this_hour, key.expected[0]
        # A handful of stray requests at night does not make the night a time of work.
        quiet = (
            expected < _QUIET_SHARE * now.requests and expected < _QUIET_SHARE * volume.busy_hour
        )
        if not quiet and not volume.always_rests(key.hour, key.zone):
            return None
        # Whoever comes and goes rests at most hours of most days: that says little.
        days = key.regularity * volume.days_remembered
        usual = 0.0 if quiet else volume.activity(key.hour, key.zone)
        surprise = -math.log((usual * days + 0.3) / (days + 1.0))
        if surprise < 1.0:
            return None
        weight = min(1.0, math.log1p(now.served) / math.log1p(_FULL_WEIGHT_REQUESTS))
        burst = key.regularity * _burst(volume, now.served)
        score = (surprise * weight + burst) * worth(now)
        if 2 * now.foreign.requests > now.requests:
            score *= _ELSEWHERE
        if score < 0.5:
            return None
        share, known, kind = volume.active_days(key.hour, key.zone)
        return Finding(
            score=score,
            since=key.hour * 3600.0,
            summary=(
                f"{counted(now.requests, 'request')} ({paid(now)}) between "
                f"{clock(key.hour, key.zone)}{_usually(share, known, kind, expected)}."
            ),
            evidence={
                "requests_1h": now.requests,
                "spend_usd_1h": now.nanos / 1e9,
                "active_share": share,
                "days_known": known,
                "timezone": key.zone or "UTC",
            },
        )


def _usually(share: float, known: float, kind: str, requests: float) -> str:
    if known < 1.0:
        return f"; less than 1 day of the {kind} is known of it"
    days, percent = counted(round(known), "day"), f"{share:.0%}"
    if percent == "0%":
        return f", when it was active on none of {days} of the {kind}"
    average = mean(requests, 0.0)
    return f", when it was active on {percent} of {days} of the {kind}, with {average} on average"


def _burst(volume: Volume, requests: int) -> float:
    busy_hour = volume.busy_hour
    full = max(_BUSY_SHARE * busy_hour, _RECORD_SHARE * volume.records.requests_1h)
    if volume.hours_a_day <= _JOB_HOURS:
        full = max(full, busy_hour * volume.hours_a_day)
    return min(_BURST_MAX, _BURST_NATS * math.log(max(1.0, requests / max(full, 3.0))))
