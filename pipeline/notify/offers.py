"""What is left to press in each state, and what a press of anything else is told. Pure.

A message shows the buttons that are offered, and a click is held against what is offered when it
is read: one on an older rendering acts as long as its button is still there.
"""

from typing import Literal

from detectors.fusion import STRANGERS
from pipeline.notify.page import Page, revocation
from pipeline.notify.people import called
from pipeline.notify.phase import Phase, phase
from pipeline.notify.text import moment

ButtonAction = Literal["revoke", "acknowledge", "snooze", "not_a_leak"]

SNOOZE_SECONDS = 4 * 3600.0
_ALL: tuple[ButtonAction, ...] = ("revoke", "acknowledge", "snooze", "not_a_leak")
_OFFERS: dict[Phase, tuple[ButtonAction, ...]] = {
    "open": _ALL,
    "acknowledged": _ALL,
    "snoozed": ("revoke", "acknowledge", "not_a_leak"),
    "suppressed": ("revoke", "acknowledge", "not_a_leak"),
    "planned": ("revoke", "snooze", "not_a_leak"),
    "revoking": (),
    "revoked": (),
    "used": ("revoke", "acknowledge"),
    "failed": _ALL,
    "benign": ("revoke",),
    "resolved": ("revoke",),
    "lapsed": ("revoke",),
    "apart": (),
}
_FINAL: dict[Phase, str] = {
    "revoking": "The key is being revoked already.",
    "revoked": "The key is revoked already.",
    "used": "The key is still used after its revocation: revoke it again, or at its gateway.",
    "resolved": "It is over already: the key behaves as usual again.",
    "suppressed": "It is silenced already, by an earlier verdict.",
    "lapsed": "It is over: if it goes on, there is a new message.",
    "apart": "Its keys all have messages of their own: answer there.",
}
"""States that people change no more, or by a revocation alone, and what tells them so."""


def offers(page: Page) -> tuple[ButtonAction, ...]:
    """The buttons that fit the state; whether the key can be revoked from here is not asked."""
    state = phase(page)
    return tuple(each for each in _OFFERS[state] if _fits(each, page, state))


def _fits(button: ButtonAction, page: Page, state: Phase) -> bool:
    if button == "acknowledge":
        return page.acknowledged_by is None
    return state not in {"resolved", "lapsed"} or page.incident.cause in STRANGERS


def declined(button: ButtonAction, page: Page) -> str | None:
    """Why a button does nothing now; None: it is offered."""
    if button in offers(page):
        return None
    state = phase(page)
    if button == "acknowledge" and button in _OFFERS[state]:
        return f"{called(page.acknowledged_by, page.names)} has acknowledged it already."
    if state in _FINAL:
        return _FINAL[state]
    taken = revocation(page)
    if state == "planned" and taken is not None:
        at = moment(taken.not_before or 0.0)
        return f"The key will be revoked at {at}: press Snooze or Not a leak to hold that."
    if state == "snoozed":
        return f"It is snoozed already, until {moment(page.snoozed_until or 0.0)}."
    said = page.verdict.by if page.verdict is not None else None
    return f"{called(said, page.names)} has judged it not a leak already."
