"""What to do with a revision of an incident: pure, and always with a reason."""

from enum import StrEnum

from pipeline.config import Slack
from pipeline.notify.page import Page
from schemas.incident import SEVERITIES, Incident


class Reason(StrEnum):
    """Why people are told, or not."""

    POST = "post: nobody has been told"
    POST_RAISED = "post: it has become urgent, and an edit would notify nobody"
    UPDATE = "update: it has a message"
    KNOWN = "nothing: this revision or a later one is known"
    INFO = "nothing: severity info is recorded only"
    NO_CHANNEL = "nothing: no channel is set for this severity"
    OVER = "nothing: it was over before anybody was told"

    @property
    def news(self) -> bool:
        """Whether the revision is to be remembered."""
        return self is not Reason.KNOWN

    @property
    def tells(self) -> bool:
        """Whether a message is posted or updated."""
        return self.value.startswith(("post", "update"))


def is_known(page: Page | None, incident: Incident) -> bool:
    """Whether a revision is a repetition, or older than what is known.

    One that is more severe than all that is known is neither: the log was folded again, by other
    rules, and an incident that is urgent by now may have fewer revisions than before.
    """
    if page is None or incident.revision > page.incident.revision:
        return False
    return SEVERITIES.index(incident.severity) <= SEVERITIES.index(page.incident.severity)


def decide_revision(page: Page | None, incident: Incident, slack: Slack) -> Reason:
    """What to do with a revision, given what is known of the incident before it."""
    if is_known(page, incident):
        return Reason.KNOWN
    return decide_page(page or Page(incident=incident), incident, slack)


def decide_page(page: Page, incident: Incident, slack: Slack) -> Reason:
    """What to do about an incident, given where its message is."""
    channel = channel_for(page, incident, slack)
    if page.channel and page.posted:
        raised = channel != page.channel or (_is_urgent(page, incident) and not page.posted_urgent)
        return Reason.POST_RAISED if channel and raised else Reason.UPDATE
    if incident.severity == "info" and not page.actions:
        return Reason.INFO
    if not channel:
        return Reason.NO_CHANNEL
    if incident.status != "open" and not page.actions:
        return Reason.OVER
    return Reason.POST


def channel_for(page: Page, incident: Incident, slack: Slack) -> str:
    """The channel for an incident; what a machine did to a key is always told to the pager.

    An incident that was paged stays in its channel.
    """
    if _is_urgent(page, incident):
        return slack.channel
    if page.channel:
        return page.channel
    if page.actions:
        return slack.channel
    return slack.ticket_channel if incident.severity == "ticket" else ""


def _is_urgent(page: Page, incident: Incident) -> bool:
    return page.urgent or incident.severity == "page"
