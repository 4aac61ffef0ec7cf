"""Which message tells of an incident: its own, or that of a notice about many keys.

Everything that this depends on is in the journal, so that a stage that died decides the same again:
an incident is in exactly one message.
"""

import msgspec

from pipeline.config import Slack
from pipeline.journal import Journal
from pipeline.notify import page as pages
from pipeline.notify.decide import Reason, decide_page
from pipeline.notify.page import Page
from pipeline.notify.phase import phase
from pipeline.notify.storm import Storms, stands_out
from schemas.verdict import Verdict


class Gathering:
    """Sorts pages into messages."""

    def __init__(self, slack: Slack) -> None:
        self._slack = slack
        self._storms: Storms | None = None

    def sort(self, page: Page, journal: Journal) -> list[Page]:
        """Note what happened to a page; the pages whose messages have to be brought up to date."""
        storms = self._storms or self._recall(journal)
        if page.fleet is not None:
            storms.gathering(page.incident.incident_id, page.fleet, answered=_answered(page))
            return [page]
        if page.gathered:
            return self._again(page, storms, journal)
        if not self._due(page):
            return [page]
        return [self._placed(page, storms, journal)]

    def _placed(self, page: Page, storms: Storms, journal: Journal) -> Page:
        """The page whose message tells of an incident from now on."""
        alone = page.gathered is not None or page.posted or bool(page.actions)
        found = None if alone else storms.place(page.incident)
        if found is None:
            page.gathered = ""
            storms.told(page.incident)
            return page
        notice_id, fleet = found
        notice = pages.load(notice_id, journal)
        if notice is None or notice.fleet is None:
            notice = Page(incident=fleet.incident(notice_id), fleet=fleet)
        page.gathered = notice_id
        return self._joined(notice, page)

    def _again(self, page: Page, storms: Storms, journal: Journal) -> list[Page]:
        """A gathered incident has changed: it stays in its notice, or moves to another message."""
        notice = pages.load(page.gathered or "", journal)
        if notice is None or notice.fleet is None:
            page.gathered = None
            return [self._placed(page, storms, journal)]
        worse = page.incident.status == "open" and stands_out(page.incident, notice.fleet.detectors)
        if not worse and not page.actions:
            return [self._joined(notice, page)]
        page.names = notice.names | page.names
        if page.actions:  # whoever asked for it looks where he has pressed the button
            page.channel = page.channel or notice.channel
        notice.fleet.drop(page.incident.incident_id)
        page.gathered, page.dirty = None, True
        return [self._placed(page, storms, journal), self._refreshed(notice)]

    def _joined(self, notice: Page, page: Page) -> Page:
        if notice.fleet is not None:
            over = phase(page) in {"benign", "resolved", "suppressed", "lapsed"}
            notice.fleet.take(page.incident, over=over)
        page.dirty = False
        return self._refreshed(notice)

    def _refreshed(self, notice: Page) -> Page:
        fleet = notice.fleet
        if fleet is not None:
            notice.incident = fleet.incident(notice.incident.incident_id)
            if self._storms is not None:
                self._storms.gathering(
                    notice.incident.incident_id, fleet, answered=_answered(notice)
                )
        notice.dirty = True
        return notice

    def _due(self, page: Page) -> bool:
        """Whether people are to be told of it by a message that is not there yet."""
        reason = decide_page(page, page.incident, self._slack)
        urgent = page.incident.severity == "page" and page.incident.status == "open"
        return reason.tells or (reason is Reason.NO_CHANNEL and urgent)

    def _recall(self, journal: Journal) -> Storms:
        """What was told and gathered so far; read once."""
        storms = self._storms = Storms()
        known = pages.load_all(journal)
        for page in sorted(known, key=lambda each: (each.touched_at, each.incident.incident_id)):
            if page.fleet is not None:
                storms.gathering(page.incident.incident_id, page.fleet, answered=_answered(page))
            elif page.gathered == "" or page.posted:
                storms.told(page.incident)
        return storms


def about_each(verdict: Verdict, page: Page) -> list[Verdict]:
    """What a person said, about each incident: those of a notice that are not over, or the one."""
    if page.fleet is None:
        return [verdict]
    members = page.fleet.members
    return [
        msgspec.structs.replace(verdict, incident_id=incident_id, key_id=member.key_id)
        for incident_id, member in members.items()
        if member.open
    ]


def _answered(notice: Page) -> bool:
    """A person judged or silenced what it gathered: what comes later is for people to see anew."""
    silenced = notice.snoozed_until is not None or notice.snooze_ended
    return silenced or notice.verdict is not None
