"""A key that nobody used for a long time comes to life."""

import math

from detectors.contract import Detector, Finding, KeyView, Trigger, span

_AWAKE_SECONDS = 6 * 3600.0
_PAUSE_SECONDS = 3 * 86_400.0
"""Weekends are usual, also before the first."""


class Dormant(Detector):
    """The pause before the key woke, against its longest honest pause."""

    name = "dormant"
    question = "Was this key forgotten?"
    catches = "Old keys found in old places."
    misses = "Keys that sleep often."
    advice = "Ask whether anybody still needs the key; if not, revoke it for good."
    triggers = Trigger.HOUR | Trigger.NOVEL | Trigger.VOLUME | Trigger.WATCHED
    causes = {"leaked": 1.0, "hygiene": 0.8}
    score_max = 4.0

    def judge(self, key: KeyView) -> Finding | None:
        history = key.history
        if not history.slept or key.now - history.woke > _AWAKE_SECONDS or history.learning:
            return None
        score = 1.5 * math.log(history.slept / max(history.longest_sleep, _PAUSE_SECONDS))
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=history.woke,
            summary=(
                f"{key.last_15m.requests} requests in 15 minutes after {span(history.slept)} of "
                f"silence; the longest pause before was {span(history.longest_sleep)}."
            ),
            evidence={
                "slept_days": history.slept / 86400,
                "longest_sleep_days": history.longest_sleep / 86400,
            },
        )
