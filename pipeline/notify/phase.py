"""The state that people see an incident in. Pure."""

from typing import Literal

from pipeline.notify.page import Page, Taken, revocation

Phase = Literal[
    "open",
    "acknowledged",
    "snoozed",
    "lapsed",
    "suppressed",
    "planned",
    "revoking",
    "revoked",
    "failed",
    "benign",
    "resolved",
    "apart",
]


def phase(page: Page) -> Phase:
    """What was done to the key outweighs what was said; a word outweighs what had no effect."""
    if page.fleet is not None and not page.fleet.members:
        return "apart"
    taken = revocation(page)
    done = None if taken is None or taken.dry_run else _progress(taken)
    if done in {"revoking", "revoked"}:
        return done
    return _said(page) or done or _seen(page)


def _progress(taken: Taken) -> Phase | None:
    if taken.result is None:
        return "planned" if taken.not_before is not None else "revoking"
    if taken.result.status == "cancelled":
        return None
    return "revoked" if taken.effective else "failed"


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
