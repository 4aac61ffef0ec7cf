"""An incident's message: Block Kit for what happened, an attachment for the state's colour.

Everything is bounded far below Slack's limits (50 blocks, 3,000 characters in a section, 2,000 in
a field, 150 in a header, about 13,200 in all), whatever an incident holds.
"""

import json
from dataclasses import dataclass
from typing import Any

from detectors.words import cents
from pipeline.notify.kit import LABELS, Card, actions, button, plain, revoke_button, section
from pipeline.notify.offers import ButtonAction, offers
from pipeline.notify.page import Page
from pipeline.notify.people import with_names
from pipeline.notify.phase import news, phase
from pipeline.notify.states import state_card, state_sentence
from pipeline.notify.text import flat, inert, moment, short_id
from schemas.fields import epoch
from schemas.incident import Cause, Signal
from schemas.key_record import KeyRecord

TITLES: dict[Cause, str] = {
    "leaked": "{key} looks leaked",
    "shared": "{key} looks shared with others",
    "exposed": "{key} is used from browsers or apps: it is exposed",
    "runaway": "{key}: the owner's own client seems to be stuck in a loop",
    "off_gateway": "{key}: the provider bills use that no gateway saw",
    "revoked_use": "{key} is used although it was revoked",
    "budget": "{key} is using up its budget",
    "hygiene": "{key} needs tidying up",
    "growth": "{key} grows faster than usual",
}
ADVICE: dict[Cause, str] = {
    "leaked": "if neither you nor the owner knows who this is, revoke; the owner gets a new key.",
    "shared": "ask the owner who else has the key; revoke it, and give each of them their own.",
    "exposed": "take the key out of the page or app, put a server between, then revoke it.",
    "runaway": "call the owner to stop the client; revoke if nobody answers and it gets expensive.",
    "off_gateway": "rotate the provider's key: the gateway cannot block what bypasses it.",
    "revoked_use": "if requests are still served, block the key at that gateway; if all are "
    "refused nothing is lost, but find out who still has the key.",
    "budget": "ask the owner; raise the budget if the use is wanted, throttle the key if not.",
    "hygiene": "nothing tonight: ask the owner tomorrow to tidy it up.",
    "growth": "nothing tonight: ask the owner, and raise the budget if the growth is wanted.",
}
ABOUT_SOURCES = frozenset({"crowd", "forbidden_country", "new_source"})
"""The detectors that judge where requests come from."""
REASONS_MAX = 3
EVIDENCE_SIGNALS_MAX = 8


@dataclass(frozen=True, slots=True)
class Background:
    """What a message needs besides the incident."""

    key_record: KeyRecord | None
    not_revocable: str | None
    """Why there is no Revoke button; None: there is one."""
    console_url: str | None


def headline(page: Page, key_record: KeyRecord | None) -> str:
    """What happened, in one sentence of plain words, safe wherever Slack shows it."""
    name = key_name(page, key_record)
    return TITLES[page.incident.cause].format(key=f"Key {flat(name, 80)}")


def key_name(page: Page, key_record: KeyRecord | None) -> str:
    """The key's alias, else its id, shortened when it is a hash."""
    if key_record is not None and key_record.alias:
        return key_record.alias
    return short_id(page.incident.key_id)


def page_card(page: Page, background: Background) -> Card:
    """The message of an incident in its present state."""
    blocks = [
        _facts(page, background.key_record),
        *_reasons(page),
        section(f"What to do: {ADVICE[page.incident.cause]}"),
        _context(page, background),
        *_buttons(page, background),
    ]
    return state_card(page, headline(page, background.key_record), blocks)


def evidence_card(page: Page) -> Card:
    """What the thread holds: every signal with its numbers."""
    signals = page.incident.signals[:EVIDENCE_SIGNALS_MAX]
    blocks = [section(_evidence(signal)) for signal in signals] or [
        section("No signals were given.")
    ]
    text = f"Evidence, revision {page.incident.revision}"
    return Card(
        text, [section(text), *blocks], None, "leakline_evidence", page.incident.incident_id
    )


def fallback_text(page: Page, key_record: KeyRecord | None, no_buttons: str) -> str:
    """One paragraph for the fallback webhook."""
    incident = page.incident
    state = f" {state_sentence(page, phase(page))}" if news(page) is not None else ""
    reasons = " ".join(flat(each.summary, 300) for each in incident.signals[:REASONS_MAX])
    return (
        f"{headline(page, key_record)}.{state} {cents(incident.spend_usd)} since"
        f" {moment(epoch(incident.opened_at))}, {cents(incident.burn_usd_per_hour)} an hour."
        f" {reasons} {no_buttons} Incident {flat(incident.incident_id, 128)}."
    )


def _facts(page: Page, record: KeyRecord | None) -> dict[str, Any]:
    incident = page.incident
    team = incident.team or (record.team if record else None)
    environment = incident.environment or (record.environment if record else None)
    owner = record.owner if record else None
    name = key_name(page, record)
    past = {} if incident.unseen_usd is None else {"Went past it": cents(incident.unseen_usd)}
    where = " at the gateway" if past or incident.cause == "off_gateway" else ""
    facts = {
        "Key": f"{name} ({incident.key_id})" if name != incident.key_id else name,
        "Team": " / ".join(filter(None, (team, owner))) or "unknown",
        "Environment": environment or "unknown",
        "Since": moment(epoch(incident.opened_at)),
        f"Spent so far{where}": cents(incident.spend_usd),
        **past,
        "Expected": cents(incident.baseline_usd),
        f"Now{where}": f"{cents(incident.burn_usd_per_hour)} an hour",
    }
    fields = [plain(f"{name}: {inert(value, 200)}", 400) for name, value in facts.items()]
    return {"type": "section", "fields": fields}


def _reasons(page: Page) -> list[dict[str, Any]]:
    """Where requests come from compared with usual, then the strongest other reasons.

    What is said of the source is not said again.
    """
    signals = page.incident.signals
    source = next((each for each in signals if each.detector in ABOUT_SOURCES), None)
    where = "no source stands out" if source is None else inert(source.summary, 500)
    others = [each for each in signals[:REASONS_MAX] if each is not source]
    lines = [f"{n}. {inert(signal.summary, 500)}" for n, signal in enumerate(others, 1)]
    if not signals:
        lines = ["no reason was given"]
    found = [section(f"From where: {where}")]
    return [*found, section("\n".join(["Why:", *lines]))] if lines else found


def _context(page: Page, background: Background) -> dict[str, Any]:
    incident = page.incident
    causes = ", else ".join(filter(None, (incident.cause, incident.runner_up))).replace("_", " ")
    notes = [f"Most likely {causes}; risk {incident.risk:.0%}; {incident.severity}."]
    if incident.learning:
        notes.append("The key is new: little is known of it, so most evidence counts for less.")
    if background.not_revocable is not None and "revoke" in offers(page):
        notes.append(f"No Revoke button: {inert(background.not_revocable, 300)}.")
    if page.policy_note is not None:
        notes.append(f"Policy: {inert(with_names(page.policy_note, page.names), 300)}.")
    if background.console_url is not None:
        link = f"{background.console_url.rstrip('/')}/incidents/{incident.incident_id}"
        notes.append(inert(link, 500))
    return {"type": "context", "elements": [plain(note, 600) for note in notes]}


def _buttons(page: Page, background: Background) -> list[dict[str, Any]]:
    """The buttons that fit the state; none when nothing is left to decide."""
    offered = [
        _button(name, page, background)
        for name in offers(page)
        if name != "revoke" or background.not_revocable is None
    ]
    if not offered:
        return []
    return [actions(offered)]


def _button(name: ButtonAction, page: Page, background: Background) -> dict[str, Any]:
    if name == "revoke":
        return revoke_button(
            LABELS[name], page.incident.incident_id, key_name(page, background.key_record)
        )
    return button(name, LABELS[name], page.incident.incident_id)


def _evidence(signal: Signal) -> str:
    numbers = json.dumps(signal.evidence, ensure_ascii=False, default=str)
    window = f"{moment(epoch(signal.window_start))} to {moment(epoch(signal.window_end))}"
    return (
        f"{inert(signal.detector, 100)}: {inert(signal.summary, 500)}\n"
        f"score {signal.score:.2f}, p {signal.p_value:.2g}, {window}\n{inert(numbers, 700)}"
    )
