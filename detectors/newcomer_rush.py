"""A new source that does much at once, on top of what the key does anyway."""

import math

from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted, dollars

_REQUESTS_MIN = 8
_NANOS_MIN = 100_000_000
_RECORD_SHARE = 0.35


class NewcomerRush(Detector):
    """What newcomers did in five minutes against all that is usual for the key in that time."""

    name = "newcomer_rush"
    question = "Do new sources use the key more than its owner does?"
    catches = "Bulk use by somebody else, within its first minutes."
    misses = "A thief who takes little at a time."
    advice = "Compare the sources; if the new ones are not a planned roll-out, revoke."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"leaked": 1.0, "shared": 0.9, "exposed": 0.9}
    about = "strangers"
    score_max = 4.0

    def judge(self, key: KeyView) -> Finding | None:
        if not key.newcomers:
            return None
        foreign, volume = key.foreign_5m, key.history.volume
        if foreign.requests < _REQUESTS_MIN and foreign.nanos < _NANOS_MIN:
            return None
        # Neither is it a rush when the owner works at night what is usual by day, nor, where the
        # owner comes and goes, when it is like the owner's own sessions.
        sessions = _RECORD_SHARE * (1.0 - volume.regularity)
        usual = (
            max(
                key.expected[0] / 12,
                volume.busy_hour / 24,
                sessions * volume.records.requests_5m,
            ),
            max(key.expected[1] / 12, sessions * volume.records.nanos_5m),
        )
        by_requests = math.log(max(foreign.requests, 1) / max(usual[0], 3.0))
        by_money = math.log(max(foreign.nanos, 1) / max(usual[1], _NANOS_MIN / 2))
        score = 1.2 * max(by_requests, by_money) * (1.0 - key.replaced) * key.confidence
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=key.now - 300.0,
            summary=(
                f"New sources made {counted(foreign.requests, 'request')} "
                f"({dollars(foreign.nanos)}) in 5 minutes; the whole key usually makes "
                f"{usual[0]:.1f} ({dollars(usual[1])})."
            ),
            evidence={
                "requests_5m": foreign.requests,
                "spend_usd_5m": foreign.nanos / 1e9,
                "usual_requests_5m": usual[0],
                "usual_spend_usd_5m": usual[1] / 1e9,
            },
        )
