"""The state that people see an incident in. Pure."""

from typing import Literal

from pipeline.notify.page import Page, Taken, revocation
from pipeline.notify.subjects import is_about_dead_key
from schemas.fields import epoch

Phase = Literal[
    "open",
    "acknowledged",
    "snoozed",
    "lapsed",
    "suppressed",
    "planned",
    "revoking",
    "revoked",
    "used",
    "failed",
    "benign",
    "resolved",
    "apart",
]
SETTLE_SECONDS = 20 * 60.0
"""After a revocation: the rate of spending looks back a quarter of an hour, and clocks differ."""


def phase(page: Page) -> Phase:
    """What was done to the key outweighs what was said; a word outweighs what had no effect."""
    if page.fleet is not None and not page.fleet.members:
        return "apart"
    taken = revocation(page)
    done = None if taken is None or taken.dry_run else _progress(page, taken)
    if done in {"revoking", "revoked", "used"}:
        return done
    return _said(page) or done or _seen(page)


def news(page: Page) -> str | None:
    """What somebody has to hear of, whatever people were told before; the same for the same."""
    state, taken = phase(page), revocation(page)
    if taken is None or state not in {"used", "failed"}:
        return None
    return f"{state}:{taken.action_id}"


def _progress(page: Page, taken: Taken) -> Phase | None:
    if taken.result is None:
        return "planned" if taken.not_before is not None else "revoking"
    if taken.result.status == "cancelled":
        return None
    if not taken.effective:
        return "failed"
    return "used" if _still_used(page, epoch(taken.result.at)) else "revoked"


def _still_used(page: Page, revoked_at: float) -> bool:
    """Whether the key goes on working after a gateway said that it does not."""
    incident = page.incident
    if incident.status != "open":
        return False
    served = any(
        is_about_dead_key(signal) and signal.evidence.get("served")
        for signal in incident.signals
        if epoch(signal.window_end) > revoked_at
    )
    late = epoch(incident.detected_at) > revoked_at + SETTLE_SECONDS
    return served or (late and incident.burn_usd_per_hour > 0)


def _said(page: Page) -> Phase | None:
    if page.verdict is not None and page.verdict.verdict in {"benign", "expected"}:
        return "benign"
    return None if page.snoozed_until is None else "snoozed"


def _seen(page: Page) -> Phase:
    """What is left where nobody said what to make of it: what detection says."""
    if page.snooze_ended and page.incident.status != "open":
        return "lapsed"
    if page.incident.status == "resolved":
        return "resolved"
    if page.incident.status == "suppressed":
        return "suppressed"
    return "open" if page.acknowledged_by is None else "acknowledged"
