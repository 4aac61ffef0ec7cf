"""A key that nobody used for a long time comes to life."""

import math
from collections.abc import Mapping

from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted, span
from schemas.incident import Cause

_PAUSE_SECONDS = 3 * 86_400.0
"""Weekends are usual, also before the first."""
_BY_OWNER: Mapping[Cause, float] = {"hygiene": 1.0, "leaked": 0.6}
"""Those who come back to a key are mostly those who left it."""
_NATS = 1.5
_LONGER_NATS = 2.0
"""Nats for each factor e beyond the longest pause."""


class Dormant(Detector):
    """The pause before the key woke, against its longest honest pause."""

    name = "dormant"
    question = "Was this key forgotten?"
    catches = "Old keys found in old places."
    misses = "Keys that sleep often."
    advice = "Ask whether anybody still needs the key; if not, revoke it for good."
    triggers = Trigger.HOUR | Trigger.NOVEL | Trigger.VOLUME | Trigger.WATCHED
    causes = {"leaked": 1.0, "hygiene": 0.8}
    score_max = 5.0

    def judge(self, key: KeyView) -> Finding | None:
        history = key.history
        if not key.is_waking:
            return None
        longer = math.log(history.slept / max(history.longest_sleep, _PAUSE_SECONDS))
        score = 0.0
        if longer > 0:
            score = _NATS + _LONGER_NATS * longer
        if score < 0.5:
            return None
        return Finding(
            score=score,
            causes=None if key.newcomers else _BY_OWNER,
            since=history.woke,
            summary=(
                f"{counted(key.last_15m.requests, 'request')} in 15 minutes after "
                f"{span(history.slept)} of silence; {_before(history.longest_sleep)}."
            ),
            evidence={
                "slept_days": history.slept / 86400,
                "longest_sleep_days": history.longest_sleep / 86400,
            },
        )


def _before(seconds: float) -> str:
    if not seconds:
        return "it never paused for days before"
    return f"the longest pause before was {span(seconds)}"
