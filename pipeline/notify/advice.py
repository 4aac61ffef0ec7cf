"""What an incident is called, and what to do about it: by its cause, and by what was done."""

from typing import Final

from detectors.fusion import STRANGERS
from pipeline.notify.page import Page
from pipeline.notify.phase import Phase, phase
from pipeline.notify.subjects import is_about_dead_key
from schemas.incident import Cause
from schemas.key_record import KeyRecord

TITLES: Final[dict[Cause, str]] = {
    "leaked": "{key} looks leaked",
    "shared": "{key} looks shared with others",
    "exposed": "{key} is used from browsers or apps: it is exposed",
    "runaway": "{key}: a client seems to be stuck in a loop",
    "off_gateway": "{key}: the provider bills use that no gateway saw",
    "revoked_use": "{key} is used although it was revoked",
    "budget": "{key} is using up its budget",
    "hygiene": "{key} needs tidying up",
    "growth": "{key} grows faster than usual",
}
_BY_CAUSE: Final[dict[Cause, str]] = {
    "leaked": "if neither you nor the owner knows who this is, {revoke}; the owner gets a new key.",
    "shared": "ask the owner who else has the key; {revoke}, and give each of them their own.",
    "exposed": "take the key out of the page or app, put a server between, then {revoke}.",
    "runaway": "ask the owner to stop the client, if it is theirs; {revoke} if it is not, or if "
    "nobody answers and it gets expensive.",
    "off_gateway": "rotate the provider's key: the gateway cannot block what bypasses it.",
    "revoked_use": "if requests are still served, block the key at that gateway; if all are "
    "refused nothing is lost, but find out who still has the key.",
    "budget": "ask the owner; raise the budget if the use is wanted, throttle the key if not.",
    "hygiene": "nothing tonight: ask the owner tomorrow to tidy it up.",
    "growth": "nothing tonight: ask the owner, and raise the budget if the growth is wanted.",
}
_SETTLED: Final[frozenset[Phase]] = frozenset({"revoking", "benign", "lapsed", "suppressed"})
"""Somebody has decided, and nothing is left to do."""


def advice(page: Page, record: KeyRecord | None, not_revocable: str | None) -> str | None:
    """What to do now; None: nothing.

    Args:
        page: the incident.
        record: of the key.
        not_revocable: why the key cannot be revoked from here.
    """
    state, cause = phase(page), page.incident.cause
    if state == "revoked":
        return "give the owner a new key, and find out where the old one was lost."
    if state in _SETTLED:
        return None
    dead = state == "used" or _should_be_dead(page, record)
    if state == "resolved":
        leaked = cause in STRANGERS and not dead
        return _QUIET.format(revoke=_revoke(not_revocable)) if leaked else None
    if dead:
        return _BY_CAUSE["revoked_use"]
    if state == "failed":
        return "block the key by hand at its gateway, or try once more."
    return _BY_CAUSE[cause].format(revoke=_revoke(not_revocable))


_QUIET: Final = (
    "a leaked key is still leaked when it is quiet: if neither you nor the owner knows who this "
    "was, {revoke}."
)


def _revoke(not_revocable: str | None) -> str:
    return "revoke it" if not_revocable is None else "block it by hand at its gateway"


def _should_be_dead(page: Page, record: KeyRecord | None) -> bool:
    """Whether the key was revoked already, as its registry or its gateway says."""
    if record is not None and record.status != "active":
        return True
    return any(map(is_about_dead_key, page.incident.signals))
