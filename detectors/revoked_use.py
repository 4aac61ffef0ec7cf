"""A key that was revoked or rotated, or that expired, is still in use."""

from detectors.baselines.slices import slice_of
from detectors.contract import Detector, Finding, KeyView
from detectors.words import counted, span
from schemas.fields import epoch

_GRACE_SECONDS = 120.0
"""Requests under way when the key was revoked."""
_MINUTES = 15
_REFUSED = "refused as revoked"
_STRAGGLER_HOURS = 48.0
"""A rotated or expired key may be used by its own sources for so long before somebody is told."""
_BARRED_NATS = 3.0
_BARRED_STRANGER_NATS = 5.0
"""A gateway that refuses a key as revoked keeps the damage out: what is left is who has it."""


class RevokedUse(Detector):
    """Events after the key died: by the registry (status, expiry), or as the gateway says."""

    name = "revoked_use"
    question = "Should this key still work?"
    catches = "A revoked key that a gateway still serves, or that somebody keeps trying."
    misses = "Keys whose revocation neither registry nor gateway recorded."
    advice = "Find the gateway that still accepts the key; a stranger's tries prove the leak."
    causes = {"revoked_use": 1.5}
    score_max = 12.0
    about = "facts"
    about_dead_keys = True

    def judge(self, key: KeyView) -> Finding | None:
        status, after = _death(key)
        if not status:
            return _barred(key)
        if after is not None and after < _GRACE_SECONDS:
            return None
        # What was done before the key died is no matter.
        dead = _MINUTES if after is None else int((after - _GRACE_SECONDS) // 60)
        minutes = max(1, min(_MINUTES, dead))
        now = key.windows.recent(key.minute, minutes)
        strangers = _any_stranger(key) or _has_new_client(key)
        score = 12.0 if status == "revoked" or strangers else 6.0
        straggling = after is None or after < _STRAGGLER_HOURS * 3600
        if status != "revoked" and not strangers and straggling:
            return None
        if not strangers and not now.served and _is_owners(key):
            score = _BARRED_NATS
        verb = "was" if status != "expired" else "had"
        when = f"{span(after)} after" if after is not None else "although"
        return Finding(
            score=score,
            since=60.0 * (key.minute - minutes + 1),
            summary=(
                f"{counted(now.requests, 'request')} in {counted(minutes, 'minute')}, "
                f"{now.served:,} served, {when} the key {verb} {status}."
            ),
            evidence={
                "status": status,
                "minutes": minutes,
                "requests": now.requests,
                "served": now.served,
                "new_source": strangers,
            },
        )

    def began(self, key: KeyView, finding: Finding) -> float | None:
        if finding.evidence["status"] != _REFUSED:
            return super().began(key, finding)
        windows = key.windows
        refused = [token for token in windows.tokens if slice_of(token).outcome == "revoked"]
        return windows.first_with(refused, finding.since, key.minute)


def _any_stranger(key: KeyView) -> bool:
    """Another address of the key's own network is its owner's forgotten job."""
    return any(each.is_strange for each in key.newcomers)


def _is_owners(key: KeyView) -> bool:
    """Whether only known addresses try it, or nobody was ever let in: jobs outlive their keys."""
    history = key.history
    return bool(history.prefixes.values) or not any(facet.values for facet in history.facets)


def _death(key: KeyView) -> tuple[str, float | None]:
    """What ended the key, empty while it lives, and how many seconds ago; None: nobody said."""
    record = key.record
    if record is None:
        return "", None
    if record.status != "active":
        changed = record.status_changed_at
        if changed is None and record.status == "rotated":
            changed = record.rotated_at
        return record.status, None if changed is None else key.now - epoch(changed)
    if record.expires_at is not None and epoch(record.expires_at) <= key.now:
        return "expired", key.now - epoch(record.expires_at)
    return "", None


def _barred(key: KeyView) -> Finding | None:
    """What is said of a key that its gateway calls revoked, and the registry does not."""
    if not key.last_15m.errors or not any(what.outcome == "revoked" for what in key.kinds_15m):
        return None  # mostly
    tries = sum(totals.requests for what, totals in key.sums_15m if what.outcome == "revoked")
    hostile = [each.hostile for each in key.newcomers]
    if hostile and all(hostile):  # that they are locked out is what was wanted
        return None
    strangers = _any_stranger(key) or _has_new_client(key)
    return Finding(
        score=_BARRED_STRANGER_NATS if strangers else _BARRED_NATS,
        since=key.now - 60.0 * _MINUTES,
        summary=(
            f"{counted(tries, 'request')} in 15 minutes that the gateway refused, since the key "
            f"was revoked; the registry does not say so."
        ),
        evidence={"status": _REFUSED, "refused_15m": tries, "new_source": strangers},
    )


def _has_new_client(key: KeyView) -> bool:
    """Without addresses, another client is all that shows a stranger."""
    history = key.history
    if history.prefixes.values or not history.clients.values:
        return False
    return any(what.client and not history.clients.knows(what.client) for what in key.kinds_15m)
