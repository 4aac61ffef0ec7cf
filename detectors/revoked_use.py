"""A key that was revoked or rotated, or that expired, is still in use."""

from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import span
from schemas.fields import epoch

_GRACE_SECONDS = 120.0
"""Requests under way when the key was revoked."""
_STRAGGLER_HOURS = 48.0
"""A rotated or expired key may be used by its own sources for so long before somebody is told."""


class RevokedUse(Detector):
    """Events after the time at which the key died, by the registry: its status, its expiry."""

    name = "revoked_use"
    question = "Should this key still work?"
    catches = "A revoked key that a gateway still serves, or that somebody keeps trying."
    misses = "Keys whose revocation nobody recorded."
    advice = "Find the gateway that still accepts the key; a stranger's tries prove the leak."
    triggers = Trigger.NOVEL | Trigger.VOLUME | Trigger.WATCHED | Trigger.HOUR
    causes = {"revoked_use": 1.5}
    score_max = 12.0
    about = "facts"

    def judge(self, key: KeyView) -> Finding | None:
        status, since = _death(key)
        after = key.now - since
        if not status or after < _GRACE_SECONDS:
            return None
        now = key.last_15m
        strangers = bool(key.newcomers) or _has_new_client(key)
        score = 12.0 if status == "revoked" or strangers else 6.0
        if status != "revoked" and not strangers and after < _STRAGGLER_HOURS * 3600:
            return None
        served = now.requests - now.errors
        verb = "was" if status != "expired" else "had"
        return Finding(
            score=score,
            since=key.now,
            summary=(
                f"{now.requests} requests in 15 minutes, {served} of them served, "
                f"{span(after)} after the key {verb} {status}."
            ),
            evidence={
                "status": status,
                "requests_15m": now.requests,
                "served_15m": served,
                "new_source": strangers,
            },
        )


def _death(key: KeyView) -> tuple[str, float]:
    record = key.record
    if record is None:
        return "", 0.0
    if record.status != "active" and record.status_changed_at is not None:
        return record.status, epoch(record.status_changed_at)
    if record.expires_at is not None and epoch(record.expires_at) <= key.now:
        return "expired", epoch(record.expires_at)
    return "", 0.0


def _has_new_client(key: KeyView) -> bool:
    """Without addresses, another client is all that shows a stranger."""
    history = key.history
    if history.prefixes.values or not history.clients.values:
        return False
    return any(what.client and not history.clients.knows(what.client) for what, _ in key.kinds_15m)
