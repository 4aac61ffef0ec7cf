"""What is remembered of an incident, or of a notice about many."""

import hashlib

import msgspec
from msgspec import Struct

from pipeline.journal import Journal, remembered
from pipeline.notify.storm import Fleet
from schemas.action import Action, ActionResult, Kind, is_person
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.verdict import Judgement, Verdict

PREFIX = "page/"
SIGNALS_MAX = 10
"""Signals that are kept for the message, the strongest ones."""
CLICKS_MAX = 50


class Slot(Struct, omit_defaults=True):
    """A message that may be at Slack."""

    intended_at: float | None = None
    """When it was first going to be posted: from then on it may exist."""
    ts: str | None = None
    """Slack's id of it, once known."""
    digest: str | None = None
    """Of what it shows."""
    given_up: bool = False
    """A person removed it, or Slack will never take it."""


class Alarm(Struct, omit_defaults=True):
    """A reply that people hear of: an edit of the message notifies nobody."""

    occasion: str = ""
    """What it is about, once for each."""
    slot: Slot = msgspec.field(default_factory=Slot)
    fallback_sent: bool = False


class Taken(Struct, omit_defaults=True, kw_only=True):
    """An action on the incident's key, and what came of it."""

    action_id: str
    kind: Kind
    requested_by: str
    requested_at: float = 0.0
    not_before: float | None = None
    dry_run: bool = False
    result: ActionResult | None = None

    @property
    def by_person(self) -> bool:
        """Whether a person asked for it."""
        return is_person(self.requested_by)

    @property
    def effective(self) -> bool:
        """Whether the gateway did it."""
        done = self.result is not None and self.result.status in {"done", "verified"}
        return done and not self.dry_run


class Page(Struct, omit_defaults=True, kw_only=True):
    """An incident, what people said about it, and where its message is."""

    incident: Incident
    """The latest revision."""
    channel: str = ""
    message: Slot = msgspec.field(default_factory=Slot)
    evidence: Slot = msgspec.field(default_factory=Slot)
    alarm: Alarm = msgspec.field(default_factory=Alarm)
    posted_urgent: bool = True
    """Whether the message was urgent when it was posted, so that people heard of it."""
    fallback_sent: bool = False
    dirty: bool = True
    """People have not been shown everything."""
    acknowledged_by: str | None = None
    snoozed_until: float | None = None
    snooze_ended: bool = False
    """The last snooze ran out."""
    verdict: Verdict | None = None
    """The last of leak, benign and expected."""
    actions: list[Taken] = []
    rule: str | None = None
    """The rule of the policy that matched."""
    policy_note: str | None = None
    """Why nothing is done by machine, where somebody could expect it."""
    clicks: list[str] = []
    heard_at: float = 0.0
    """When somebody last said something, and who."""
    heard_by: str | None = None
    heard_as: Judgement | None = None
    """What it was; an earlier release did not say."""
    names: dict[str, str] = {}
    """What Slack calls those who pressed a button, by their ids."""
    touched_at: float = 0.0
    fleet: Fleet | None = None
    """What it gathers, when it is a notice about many keys; `incident` stands for them all."""
    gathered: str | None = None
    """The notice that tells of it; empty: it is told alone. None: nobody is told yet."""

    @property
    def posted(self) -> bool:
        """Whether it has, or may have, a message of its own."""
        return self.message.intended_at is not None or self.message.ts is not None

    @property
    def urgent(self) -> bool:
        """Whether somebody is to be woken: also by what a machine did to the key."""
        machine = any(not taken.by_person for taken in self.actions)
        return machine or self.incident.severity == "page"

    @property
    def answered(self) -> bool:
        """Whether a person said anything, or something was done."""
        return bool(self.acknowledged_by or self.heard_by or self.actions)


def load(incident_id: str, journal: Journal) -> Page | None:
    """What is remembered of an incident."""
    value = journal.get(PREFIX + incident_id)
    return None if value is None else msgspec.json.decode(value, type=Page)


def load_all(journal: Journal) -> list[Page]:
    """Everything that is remembered."""
    loaded = (load(each, journal) for each in remembered(PREFIX, journal))
    return [page for page in loaded if page is not None]


def save(page: Page, journal: Journal) -> None:
    """Remember it."""
    journal.put(PREFIX + page.incident.incident_id, msgspec.json.encode(page))


def revised(page: Page | None, incident: Incident) -> Page:
    """A page after a newer revision; its severity never falls, so that nobody loses sight."""
    strongest = sorted(incident.signals, key=lambda signal: -signal.score)[:SIGNALS_MAX]
    incident = msgspec.structs.replace(incident, signals=strongest)
    if page is None:
        return Page(incident=incident)
    page.incident = incident.no_milder_than(page.incident)
    page.dirty = True
    return page


def judged(page: Page, verdict: Verdict) -> bool:
    """Apply what a person said, and whether it is news. Nothing older than the last word is."""
    at = epoch(verdict.at)
    again = (at, verdict.by) == (page.heard_at, page.heard_by)
    if at < page.heard_at or (again and page.heard_as in {None, verdict.verdict}):
        return False
    page.heard_at, page.heard_by, page.heard_as = at, verdict.by, verdict.verdict
    page.dirty = True
    match verdict.verdict:
        case "acknowledge":
            page.acknowledged_by = verdict.by
        case "snooze":
            page.snoozed_until = None if verdict.until is None else epoch(verdict.until)
            page.snooze_ended = False
        case "leak":  # whoever calls it a leak wants no silence about it
            page.verdict, page.snoozed_until = verdict, None
        case _:
            page.verdict = verdict
    return True


def acted(page: Page, result: ActionResult) -> None:
    """Apply what came of an action, whoever asked for it."""
    for taken in page.actions:
        if taken.action_id == result.action_id:
            taken.result = result
            break
    else:
        page.actions.append(
            Taken(
                action_id=result.action_id,
                kind=result.kind or "revoke",
                requested_by="another tool",
                result=result,
            )
        )
    page.dirty = True


def requested(page: Page, action: Action) -> None:
    """Note an action that is being asked for; a person's request replaces a machine's."""
    page.actions = [taken for taken in page.actions if taken.action_id != action.action_id]
    page.actions.append(
        Taken(
            action_id=action.action_id,
            kind=action.kind,
            requested_by=action.requested_by,
            requested_at=epoch(action.requested_at),
            not_before=None if action.not_before is None else epoch(action.not_before),
            dry_run=action.dry_run,
        )
    )
    page.dirty = True


def action_id(page: Page, kind: Kind, *, dry_run: bool = False) -> str:
    """The id of the next action: the same until an earlier one has ended.

    A dry run has an id of its own, so that its outcome is never taken for that of the real thing.
    """
    ended = sum(taken.kind == kind and taken.result is not None for taken in page.actions)
    text = f"{page.incident.incident_id}:{kind}" + (f":{ended}" if ended else "")
    text += ":dry-run" if dry_run else ""
    return "act_" + hashlib.sha256(text.encode()).hexdigest()[:32]


def revocation(page: Page) -> Taken | None:
    """The latest revocation."""
    return next((taken for taken in reversed(page.actions) if taken.kind == "revoke"), None)
