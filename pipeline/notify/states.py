"""The states of an incident as people see them: colour, sentence, and what is left to press."""

from dataclasses import dataclass
from typing import Any

from pipeline.notify.clicks import ButtonAction
from pipeline.notify.kit import Card, header, section
from pipeline.notify.page import Page, Phase, Taken, phase, revocation
from pipeline.notify.text import inert, moment
from schemas.fields import epoch


@dataclass(frozen=True, slots=True)
class Colour:
    """Of the bar beside the message, and the sign before its title."""

    hex: str
    sign: str


RED = Colour("#d00000", "🔴")
ORANGE = Colour("#e8710a", "🟠")
BLUE = Colour("#1d6fd8", "🔵")
YELLOW = Colour("#e3b505", "🟡")
GREEN = Colour("#2e8540", "🟢")
GREY = Colour("#8a8a8a", "⚪")

_COLOURS: dict[Phase, Colour] = {
    "open": RED,
    "acknowledged": ORANGE,
    "snoozed": GREY,
    "suppressed": GREY,
    "planned": ORANGE,
    "revoking": BLUE,
    "revoked": GREEN,
    "failed": RED,
    "benign": GREY,
    "resolved": GREEN,
}
OFFERS: dict[Phase, tuple[ButtonAction, ...]] = {
    "open": ("revoke", "acknowledge", "snooze", "not_a_leak"),
    "acknowledged": ("revoke", "snooze", "not_a_leak"),
    "snoozed": ("revoke", "acknowledge", "not_a_leak"),
    "suppressed": ("revoke", "acknowledge", "not_a_leak"),
    "planned": ("revoke", "snooze", "not_a_leak"),
    "revoking": (),
    "revoked": (),
    "failed": ("revoke", "acknowledge", "snooze", "not_a_leak"),
    "benign": ("revoke",),
    "resolved": (),
}


def state_card(page: Page, headline: str, blocks: list[dict[str, Any]]) -> Card:
    """A message under its headline, with the sign, the colour and the sentence of its state."""
    state = phase(page)
    look, sentence = _colour(page, state), state_sentence(page, state)
    title = f"{look.sign} {headline}"
    bar = {"color": look.hex, "fallback": sentence, "blocks": [section(sentence)]}
    text = f"{title}. {sentence}"
    incident_id = page.incident.incident_id
    return Card(text, [header(title), *blocks], [bar], "leakline_incident", incident_id)


def _colour(page: Page, state: Phase) -> Colour:
    """Red and orange are for what wakes people; a ticket that is open or taken is yellow."""
    if page.incident.severity != "page" and state in {"open", "acknowledged"}:
        return YELLOW
    return _COLOURS[state]


def state_sentence(page: Page, state: Phase) -> str:
    """The state in one or two sentences."""
    said = page.verdict.by if page.verdict is not None else "nobody"
    taken = revocation(page)
    sentences: dict[Phase, str] = {
        "open": "Open: nobody has taken it yet.",
        "acknowledged": f"Acknowledged by {_who(page.acknowledged_by)}.",
        "snoozed": f"Snoozed until {moment(page.snoozed_until or 0.0)}.",
        "suppressed": "Silenced by an earlier verdict.",
        "benign": f"Judged not a leak by {_who(said)}.",
        "resolved": "Resolved: the key behaves as usual again.",
    }
    text = _progress(taken, state) if state not in sentences and taken else sentences[state]
    if state not in sentences and page.acknowledged_by is not None:
        text += f" Acknowledged by {_who(page.acknowledged_by)}."
    return text + _beside(taken)


def _progress(taken: Taken, state: Phase) -> str:
    by = _who(taken.requested_by)
    if state == "planned":
        at = moment(taken.not_before or 0.0)
        return f"Will be revoked at {at} by {by}, unless somebody presses Snooze or Not a leak."
    result = taken.result
    if result is None:
        return f"Revoking, requested by {by}."
    at = moment(epoch(result.at))
    detail = inert(result.detail or result.status, 300)
    if state == "revoked" and result.status == "verified":
        return f"Revoked and verified at {at}, requested by {by}."
    if state == "revoked":
        return f"Revoked at {at}, requested by {by}: {detail}."
    return f"NOT revoked ({result.status}) at {at}: {detail}. The key may still work."


def _beside(taken: Taken | None) -> str:
    """What a revocation that changed nothing leaves to say."""
    if taken is None or taken.result is None:
        return " A dry run of a revocation is planned." if taken and taken.dry_run else ""
    if taken.dry_run:
        return f" The policy would have revoked it ({taken.requested_by}); nothing was sent."
    if taken.result.status == "cancelled":
        return " The planned revocation was called off."
    return ""


def _who(by: str | None) -> str:
    """A person or a policy, in words."""
    if by is None:
        return "nobody"
    kind, _, name = by.partition(":")
    return f"the policy ({inert(name, 64)})" if kind == "policy" else inert(name or kind, 64)
