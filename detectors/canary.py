"""A planted key was touched."""

from detectors.contract import Detector, Finding, KeyView
from detectors.words import counted


class Canary(Detector):
    """Nobody has an honest use for a canary key."""

    name = "canary"
    question = "Is this a planted key that nobody should have?"
    catches = "Whoever found the place where the key was planted."
    misses = "Everything about keys that are in use."
    advice = "Revoke, and treat the place where the key was planted as read by a stranger."
    causes = {"leaked": 1.0}
    score_max = 20.0
    about = "facts"

    def judge(self, key: KeyView) -> Finding | None:
        if key.record is None or not key.record.canary:
            return None
        now = key.last_15m
        return Finding(
            score=20.0,
            p_value=0.0,
            since=max(key.history.first_seen, key.now - 900.0),
            summary=(
                f"{counted(now.requests, 'request')} in 15 minutes with a canary key: nobody has "
                "a reason to use it."
            ),
            evidence={"requests_15m": now.requests, "errors_15m": now.errors},
        )
