"""A key that was revoked or rotated is still in use."""

from detectors.contract import Detector, Finding, KeyView, Trigger, span
from schemas.fields import epoch

_GRACE_SECONDS = 120.0
"""Requests under way when the key was revoked."""
_STRAGGLER_HOURS = 48.0
"""A rotated key may be used by its own sources for so long before somebody is told."""


class RevokedUse(Detector):
    """Events after the registry says that the key is dead."""

    name = "revoked_use"
    question = "Should this key still work?"
    catches = "A revoked key that a gateway still serves, or that somebody keeps trying."
    misses = "Keys whose revocation nobody recorded."
    advice = "Find the gateway that still accepts the key; a stranger's tries prove the leak."
    triggers = Trigger.NOVEL | Trigger.VOLUME | Trigger.WATCHED | Trigger.HOUR
    causes = {"revoked_use": 1.0}
    score_max = 12.0

    def judge(self, key: KeyView) -> Finding | None:
        record = key.record
        if record is None or record.status == "active" or record.status_changed_at is None:
            return None
        since = epoch(record.status_changed_at)
        after = key.now - since
        if after < _GRACE_SECONDS:
            return None
        now = key.last_15m
        strangers = bool(key.newcomers)
        score = 12.0 if record.status == "revoked" or strangers else 6.0
        if record.status == "rotated" and not strangers and after < _STRAGGLER_HOURS * 3600:
            return None
        served = now.requests - now.errors
        return Finding(
            score=score,
            since=key.now,
            summary=(
                f"{now.requests} requests in 15 minutes, {served} of them served, "
                f"{span(after)} after the key was {record.status}."
            ),
            evidence={
                "status": record.status,
                "requests_15m": now.requests,
                "served_15m": served,
                "new_source": strangers,
            },
        )
