"""The message about many keys: how many, what they share, the dollars, the worst of them."""

from typing import Any

from detectors.fusion import STRANGERS
from detectors.words import cents, counted, network, spent
from pipeline.notify.blocks import Background
from pipeline.notify.kit import LABELS, Card, actions, button, revoke_button, section
from pipeline.notify.offers import offers
from pipeline.notify.page import Page
from pipeline.notify.phase import phase
from pipeline.notify.states import state_card
from pipeline.notify.storm import Fleet, Member
from pipeline.notify.text import inert, inert_name, moment, short_id, time_after, unmarked

WORST_MAX = 5
"""Keys in the message; the thread has more."""
THREAD_LINES_MAX = 100
LINES_PER_BLOCK = 15
TRAITS = {
    "prefix": "use the same new addresses, {}",
    "network": "use the same new network, {}",
    "country": "are used from the same new country, {}",
    "client": "use the same new client, {}",
    "model": "use the same new model, {}",
    "alike": "show the same kind of evidence: {}",
}
_ADVICE = (
    "Did something change for all of them (egress addresses, a gateway, an SDK, a provider's "
    "outage)? Then press Not a leak. If nobody knows of a change, a list of keys was probably "
    "stolen: revoke the worst first (the next ones move up), and find the source."
)
_QUIET = (
    "Leaked keys are still leaked when they are quiet: if nobody knows of a change for all of "
    "them, revoke them, and find the source."
)


def fleet_headline(fleet: Fleet) -> str:
    """What happened, in one sentence of plain words."""
    kind, _, value = fleet.trait.partition("=")
    shared = network(value) if kind == "network" else value
    return f"{fleet.keys} keys {TRAITS[kind].format(inert_name(shared, 80))}"


def fleet_card(page: Page, fleet: Fleet, background: Background) -> Card:
    """The message of a notice in its present state."""
    ranked = _by_damage(fleet)
    blocks = [
        section(_numbers(page, fleet)),
        *_worst(ranked, background),
        *_advice(page, background),
        *_revocations(page, ranked, background),
        *_buttons(page, fleet),
    ]
    return state_card(page, fleet_headline(fleet), blocks)


def members_card(page: Page, fleet: Fleet, background: Background) -> Card:
    """What the thread holds: the keys, the worst first."""
    ranked = _by_damage(fleet)
    lines = [_line(each, background) for _, each in ranked[:THREAD_LINES_MAX]]
    if len(ranked) > THREAD_LINES_MAX:
        lines.append(f"and {len(ranked) - THREAD_LINES_MAX} more: see the console")
    text = f"Keys, as of revision {fleet.revision}"
    parts = [lines[i : i + LINES_PER_BLOCK] for i in range(0, len(lines), LINES_PER_BLOCK)]
    blocks = [section(text), *(section("\n".join(part)) for part in parts)]
    return Card(text, blocks, None, "leakline_evidence", page.incident.incident_id)


def fleet_text(page: Page, fleet: Fleet, no_buttons: str) -> str:
    """One paragraph for the fallback webhook."""
    said = unmarked(f"{fleet_headline(fleet)}. {_numbers(page, fleet)} {no_buttons}")
    return f"{said} Notice {inert(page.incident.incident_id, 128)}."


def _numbers(page: Page, fleet: Fleet) -> str:
    incident, members = page.incident, fleet.members.values()
    apart = len(fleet.beside)
    beside = f" {apart:,} more {_have(apart)} of their own." if apart else ""
    if not members:
        return f"{counted(apart, 'incident')} {_have(apart)} of their own."
    cause = incident.cause.replace("_", " ")
    at = time_after(fleet.last_at, fleet.since)
    return (
        f"{counted(len(members), 'incident')} in this message: {_kinds(fleet)}.{beside} "
        f"Since {moment(fleet.since)}; spent so far "
        f"{spent(incident.spend_usd, fleet.unseen_usd)}, now "
        f"{cents(incident.burn_usd_per_hour)} an hour (as of {at}). Most likely {cause}."
    )


def _have(number: int) -> str:
    return "has a message" if number == 1 else "have messages"


def _kinds(fleet: Fleet) -> str:
    """How many incidents are of which severity, and how many are over."""
    members = fleet.members.values()
    urgent = sum(each.severity == "page" for each in members)
    over = sum(not each.open for each in members)
    kinds = (
        (urgent, "would page"),
        (len(members) - urgent, "would be a ticket"),
        (over, "is over" if over == 1 else "are over"),
    )
    return ", ".join(f"{number:,} {what}" for number, what in kinds if number)


def _worst(ranked: list[tuple[str, Member]], background: Background) -> list[dict[str, Any]]:
    worst = [_line(each, background) for _, each in ranked[:WORST_MAX]]
    return [section("\n".join(["The worst:", *worst]))] if worst else []


def _advice(page: Page, background: Background) -> list[dict[str, Any]]:
    """What to do, as long as something is left to press."""
    offered = offers(page)
    lines = []
    if "not_a_leak" in offered:
        lines.append(_ADVICE)
    elif "revoke" in offered and phase(page) != "benign":
        lines.append(_QUIET)
    if background.console_url:
        lines.append(inert(background.console_url, 300))
    return [section("\n".join(lines))] if lines else []


def _by_damage(fleet: Fleet) -> list[tuple[str, Member]]:
    return sorted(
        fleet.members.items(),
        key=lambda item: (
            -item[1].open,
            -item[1].spend_usd - item[1].unseen_usd,
            -item[1].burn_usd_per_hour,
            item[1].key_id,
        ),
    )


def _name(member: Member, background: Background, length_max: int = 60) -> str:
    name = background.aliases.get(member.key_id) or short_id(member.key_id)
    return inert_name(name, length_max)


def _line(member: Member, background: Background) -> str:
    over = "" if member.open else ", over"
    return (
        f"{_name(member, background)}: {spent(member.spend_usd, member.unseen_usd)}, "
        f"{cents(member.burn_usd_per_hour)} an hour, {member.severity}{over}"
    )


def _revocations(
    page: Page, ranked: list[tuple[str, Member]], background: Background
) -> list[dict[str, Any]]:
    """A button for each of the worst keys; pressed, it moves the key to a message of its own."""
    if background.not_revocable is not None or phase(page) == "benign":
        return []
    return [
        actions(
            [
                revoke_button(
                    f"Revoke {_name(member, background)}",
                    incident_id,
                    _name(member, background, 100),
                )
            ],
            f"leakline-{number}",
        )
        for number, (incident_id, member) in enumerate(ranked[:WORST_MAX])
        if member.open or member.cause in STRANGERS
    ]


def _buttons(page: Page, fleet: Fleet) -> list[dict[str, Any]]:
    """Those that make sense for all of the keys at once: they count those that it is about."""
    keys = len({each.key_id for each in fleet.members.values() if each.open})
    offered = [name for name in offers(page) if name != "revoke"]
    value = page.incident.incident_id
    made = [button(name, f"{LABELS[name]} ({counted(keys, 'key')})", value) for name in offered]
    return [actions(made)] if made else []
