"""A key that nobody used for a long time comes to life."""

import math
from collections.abc import Mapping

from detectors.contract import Detector, Finding, KeyView
from detectors.words import counted, span
from schemas.incident import Cause

_PAUSE_SECONDS = 3 * 86_400.0
"""Weekends are usual, also before the first."""
_BY_OWNER: Mapping[Cause, float] = {"hygiene": 1.0, "leaked": 0.6}
"""Those who come back to a key are mostly those who left it."""
_NATS = 1.5
_LONGER_NATS = 2.0
"""Nats for each factor e beyond the longest pause, and at most …"""
_SILENCE_MAX = 5.0
_AT_ONCE_NANOS = 500_000_000
_AT_ONCE_MAX = 2.5
"""… a nat more for each factor e beyond the dearest hour so far, or half a dollar, at most so many:
who finds a key does not wait."""


class Dormant(Detector):
    """The pause before the key woke against its longest honest one, and what it spends at once."""

    name = "dormant"
    question = "Was this key forgotten?"
    catches = "Old keys found in old places."
    misses = "Keys that sleep often."
    advice = "Ask whether anybody still needs the key; if not, revoke it for good."
    causes = {"leaked": 1.0, "hygiene": 0.8}
    score_max = _SILENCE_MAX + _AT_ONCE_MAX

    def judge(self, key: KeyView) -> Finding | None:
        history = key.history
        if not key.is_waking:
            return None
        longer = math.log(history.slept / max(history.longest_sleep, _PAUSE_SECONDS))
        if longer <= 0:
            return None
        return Finding(
            score=min(_SILENCE_MAX, _NATS + _LONGER_NATS * longer) + _at_once(key),
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


def _at_once(key: KeyView) -> float:
    if key.is_among_its_own:
        return 0.0  # an owner who comes back may have much to do
    most = max(key.history.volume.records.nanos_1h, _AT_ONCE_NANOS)
    return min(_AT_ONCE_MAX, math.log(max(1.0, key.this_hour.nanos / most)))


def _before(seconds: float) -> str:
    if not seconds:
        return "it never paused for days before"
    return f"the longest pause before was {span(seconds)}"
