"""An incident's message: Block Kit for what happened, an attachment for the state's colour.

Everything is bounded far below Slack's limits (50 blocks, 3,000 characters in a section, 2,000 in
a field, 150 in a header, about 13,200 in all), whatever an incident holds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detectors.words import cents, spent
from pipeline.notify.advice import TITLES, advice
from pipeline.notify.kit import LABELS, Card, actions, button, plain, revoke_button, section
from pipeline.notify.offers import ButtonAction, offers
from pipeline.notify.page import Page
from pipeline.notify.people import with_names
from pipeline.notify.phase import news, phase
from pipeline.notify.states import state_card, state_sentence
from pipeline.notify.subjects import is_about_place
from pipeline.notify.text import inert, inert_name, moment, short_id, time_after, unmarked
from schemas.fields import epoch
from schemas.incident import Incident, Signal
from schemas.key_record import KeyRecord

NO_SOURCE = "no new source, or the log has no addresses"
REASONS_MAX = 3
EVIDENCE_SIGNALS_MAX = 8


@dataclass(frozen=True, slots=True)
class Background:
    """What a message needs besides the incident."""

    key_record: KeyRecord | None
    not_revocable: str | None
    """Why there is no Revoke button; None: there is one."""
    console_url: str | None
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Of the keys of a notice, by their ids."""


def headline(page: Page, key_record: KeyRecord | None) -> str:
    """What happened, in one sentence of plain words."""
    name = inert_name(key_name(page, key_record), 80)
    return TITLES[page.incident.cause].format(key=f"Key {name}")


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
        *_advice(page, background),
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
    words = [f"{headline(page, key_record)}."]
    if news(page) is not None:
        words.append(state_sentence(page, phase(page)))
    words.append(
        f"{spent(incident.spend_usd, incident.unseen_usd)} "
        f"since {moment(epoch(incident.opened_at))}, "
        f"{_amount(incident, incident.burn_usd_per_hour, ' an hour')}."
    )
    words += [inert(each.summary, 300) for each in incident.signals[:REASONS_MAX]]
    # ids as they are: somebody has to look for them
    about = f"Incident {inert(incident.incident_id, 128)}, key {inert(incident.key_id, 128)}."
    return f"{unmarked(' '.join([*words, no_buttons]))} {about}"


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
        f"Spent so far{where}": _amount(incident, incident.spend_usd),
        **past,
        "Expected": cents(incident.baseline_usd),
        f"Now{where}": _amount(incident, incident.burn_usd_per_hour, " an hour"),
    }
    fields = [plain(f"{name}: {inert(value, 300)}", 400) for name, value in facts.items()]
    return {"type": "section", "fields": fields}


def _amount(incident: Incident, usd: float, per: str = "") -> str:
    """Dollars as of the latest event; what has no price is not free."""
    at = time_after(epoch(incident.detected_at), epoch(incident.opened_at))
    unpriced = " and what has no price" if incident.lacks_prices else ""
    return f"{cents(usd)}{per}{unpriced} (as of {at})"


def _reasons(page: Page) -> list[dict[str, Any]]:
    """Where requests come from compared with usual, then the strongest other reasons.

    What is said of the source is not said again.
    """
    signals = page.incident.signals
    source = next(filter(is_about_place, signals), None)
    where = NO_SOURCE if source is None else inert(source.summary, 500)
    others = [each for each in signals[:REASONS_MAX] if each is not source]
    lines = [f"{n}. {inert(signal.summary, 500)}" for n, signal in enumerate(others, 1)]
    if not signals:
        lines = ["no reason was given"]
    found = [section(f"From where: {where}")]
    return [*found, section("\n".join(["Why:", *lines]))] if lines else found


def _advice(page: Page, background: Background) -> list[dict[str, Any]]:
    said = advice(page, background.key_record, background.not_revocable)
    return [] if said is None else [section(f"What to do: {said}")]


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
        key = inert_name(key_name(page, background.key_record), 100)
        return revoke_button(LABELS[name], page.incident.incident_id, key)
    return button(name, LABELS[name], page.incident.incident_id)


def _evidence(signal: Signal) -> str:
    numbers = json.dumps(signal.evidence, ensure_ascii=False, default=str)
    window = f"{moment(epoch(signal.window_start))} to {moment(epoch(signal.window_end))}"
    return (
        f"{inert(signal.detector, 100)}: {inert(signal.summary, 500)}\n"
        f"score {signal.score:.2f}, p {signal.p_value:.2g}, {window}\n{inert(numbers, 700)}"
    )
