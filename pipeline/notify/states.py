"""The states of an incident as people see them: colour and sentence."""

from dataclasses import dataclass
from typing import Any

from detectors.words import cents
from pipeline.notify.kit import Card, header, section
from pipeline.notify.page import Page, Taken, revocation
from pipeline.notify.people import called
from pipeline.notify.phase import Phase, phase
from pipeline.notify.text import inert, moment, time_after, unmarked
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
    "used": RED,
    "failed": RED,
    "benign": GREY,
    "resolved": GREEN,
    "lapsed": GREY,
    "apart": GREY,
}


def alarm_card(page: Page, headline: str) -> Card:
    """What people hear of again, in one line."""
    state = phase(page)
    text = unmarked(f"{_colour(page, state).sign} {headline}. {state_sentence(page, state)}")
    occasion = page.alarm.occasion
    return Card(text, None, None, "leakline_alarm", page.incident.incident_id, occasion)


def state_card(page: Page, headline: str, blocks: list[dict[str, Any]]) -> Card:
    """A message under its headline, with the sign, the colour and the sentence of its state."""
    state = phase(page)
    look, sentence = _colour(page, state), state_sentence(page, state)
    title = f"{look.sign} {headline}"
    bar = {"color": look.hex, "fallback": sentence, "blocks": [section(sentence)]}
    text = unmarked(f"{title}. {sentence}")
    incident_id = page.incident.incident_id
    return Card(text, [header(title), *blocks], [bar], "leakline_incident", incident_id)


def _colour(page: Page, state: Phase) -> Colour:
    """Red and orange are for what wakes people; a ticket that is open or taken is yellow."""
    if page.incident.severity != "page" and state in {"open", "acknowledged"}:
        return YELLOW
    return _COLOURS[state]


def state_sentence(page: Page, state: Phase) -> str:
    """The state in a few sentences."""
    taken = revocation(page)
    sentences = [_state(page, state, taken)]
    if page.acknowledged_by is not None and state != "acknowledged":
        sentences.append(f"Acknowledged by {called(page.acknowledged_by, page.names)}.")
    return " ".join([*sentences, *_beside(page, taken, state)])


def _state(page: Page, state: Phase, taken: Taken | None) -> str:
    if taken is not None and state in {"planned", "revoking", "revoked", "failed"}:
        return _progress(page, taken, state)
    if taken is not None and state == "used":
        return f"{_still_used(page)} {_progress(page, taken, 'revoked')}"
    said = page.verdict.by if page.verdict is not None else None
    sentences: dict[Phase, str] = {
        "open": "Open: nobody has taken it yet.",
        "acknowledged": f"Acknowledged by {called(page.acknowledged_by, page.names)}.",
        "snoozed": f"Snoozed until {moment(page.snoozed_until or 0.0)}.",
        "suppressed": "Silenced by an earlier verdict.",
        "benign": f"Judged not a leak by {called(said, page.names)}.",
        "lapsed": "The snooze has ended; if it goes on, there is a new message.",
        "resolved": _resolved(page),
        "apart": "All of them have messages of their own.",
    }
    return sentences[state]


def _still_used(page: Page) -> str:
    incident = page.incident
    rate = cents(incident.burn_usd_per_hour)
    at = time_after(epoch(incident.detected_at), epoch(incident.opened_at))
    return f"STILL USED after the revocation: {rate} an hour (as of {at})."


def _resolved(page: Page) -> str:
    how = "the key behaves as usual again"
    if page.fleet is not None:
        how = "none of its incidents is open any more"
    return f"Resolved: {how}." + ("" if page.answered else " Nobody answered.")


def _progress(page: Page, taken: Taken, state: Phase) -> str:
    by = called(taken.requested_by, page.names)
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


def _beside(page: Page, taken: Taken | None, state: Phase) -> list[str]:
    """What a revocation that changed nothing leaves to say."""
    if taken is None:
        return []
    if taken.dry_run:
        return [_rehearsed(taken, called(taken.requested_by, page.names))]
    if state in {"planned", "revoking", "revoked", "used", "failed"}:
        return []
    if taken.result is None or taken.result.status == "cancelled":
        return ["The planned revocation was called off."]
    return [_progress(page, taken, "failed")]


def _rehearsed(taken: Taken, by: str) -> str:
    """What became of a dry run."""
    result = taken.result
    if result is None:
        return "A dry run of a revocation is planned."
    if result.status == "cancelled":
        return "The dry run of a revocation was called off."
    if result.status in {"done", "verified"}:
        return f"A dry run: {by} would have revoked it; nothing was sent."
    detail = inert(result.detail or result.status, 300)
    return f"A dry run: {by} would not have revoked it ({result.status}): {detail}."
