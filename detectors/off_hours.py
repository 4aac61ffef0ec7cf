"""Work at hours at which the key rests."""

import math

from detectors.contract import Detector, Finding, KeyView, Trigger, dollars

_DAYS_NEEDED = 3.0
"""Days of this kind that must be known before an hour can be called unusual."""
_FULL_WEIGHT_REQUESTS = 20
_BURST_MAX = 2.5


class OffHours(Detector):
    """The surprise of any activity in an hour of the week, weighted by how much there is."""

    name = "off_hours"
    question = "Does the key ever work at this hour?"
    catches = "A burst at night or at a weekend on a key that keeps hours."
    misses = "Thieves in the owner's hours; keys that never rest."
    advice = "Ask whether somebody works late; if the source is new too, revoke."
    triggers = Trigger.HOUR | Trigger.VOLUME | Trigger.WATCHED | Trigger.NOVEL
    causes = {"leaked": 1.0, "runaway": 0.6, "shared": 0.5}
    score_max = 6.0

    def judge(self, key: KeyView) -> Finding | None:
        volume = key.history.volume
        days = volume.days_known(key.hour, key.zone)
        if days < _DAYS_NEEDED or key.history.learning:
            return None
        usual = volume.activity(key.hour, key.zone)
        if volume.always_rests(key.hour, key.zone):
            days = volume.weekdays + volume.weekends
        surprise = -math.log((usual * days + 0.3) / (days + 1.0))
        now = key.this_hour
        weight = min(1.0, math.log1p(now.requests) / math.log1p(_FULL_WEIGHT_REQUESTS))
        burst = math.log(max(1.0, now.requests / max(volume.busy_hour, 1.0)))
        score = (surprise - 1.0) * weight + min(_BURST_MAX, burst)
        if surprise < 1.0 or score < 0.5:
            return None
        return Finding(
            score=score,
            since=key.hour * 3600.0,
            summary=(
                f"{now.requests} requests ({dollars(now.nanos)}) in this hour, in which the key "
                f"was active on {usual:.0%} of {days:.0f} such days."
            ),
            evidence={
                "requests_1h": now.requests,
                "spend_usd_1h": now.nanos / 1e9,
                "active_share": usual,
                "days_known": days,
                "timezone": key.zone or "UTC",
            },
        )
