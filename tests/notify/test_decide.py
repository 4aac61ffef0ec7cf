"""What is done with a revision, and why."""

import pytest

from pipeline.config import Slack
from pipeline.notify.decide import Reason, decide_revision
from pipeline.notify.page import Page, Slot, requested, revised
from tests.support.samples import action, incident

SLACK = Slack(channel="CP", ticket_channel="CT")


def posted(channel: str, **changes: object) -> Page:
    page = revised(None, incident(**changes))
    page.channel, page.message = channel, Slot(intended_at=1.0, ts="1.1")
    return page


def told_as(severity: str) -> Page:
    """A message in the channel of pages, where tickets go as well."""
    page = posted("CP", severity=severity)
    page.posted_urgent = severity == "page"
    return page


def revoked_by(by: str) -> Page:
    page = posted("CT", severity="ticket")
    requested(page, action(requested_by=by))
    return page


def acted_on(by: str) -> Page:
    page = revised(None, incident(severity="info"))
    requested(page, action(requested_by=by))
    return page


@pytest.mark.parametrize(
    ("page", "changes", "reason"),
    [
        (None, {}, Reason.POST),
        (None, {"severity": "ticket"}, Reason.POST),
        (None, {"severity": "info"}, Reason.INFO),
        (None, {"status": "resolved"}, Reason.OVER),
        (posted("CP"), {"revision": 2}, Reason.UPDATE),
        (posted("CP"), {"revision": 2, "severity": "info"}, Reason.UPDATE),
        (posted("CP"), {"revision": 2, "status": "resolved"}, Reason.UPDATE),
        (posted("CP"), {"revision": 1}, Reason.KNOWN),
        (posted("CP", revision=5), {"revision": 4}, Reason.KNOWN),
        (posted("CT", severity="ticket", revision=5), {"revision": 2}, Reason.POST_RAISED),
        (posted("CP", revision=5), {"revision": 2, "severity": "ticket"}, Reason.KNOWN),
        (posted("CT", severity="ticket"), {"revision": 2}, Reason.POST_RAISED),
        (told_as("ticket"), {"revision": 2}, Reason.POST_RAISED),
        (told_as("page"), {"revision": 2}, Reason.UPDATE),
        (revoked_by("policy:x"), {"revision": 2, "severity": "ticket"}, Reason.POST_RAISED),
        (revoked_by("slack:U1"), {"revision": 2, "severity": "ticket"}, Reason.UPDATE),
        (acted_on("policy:x"), {"revision": 2, "severity": "info"}, Reason.POST),
        (acted_on("console:ana"), {"revision": 2, "severity": "info"}, Reason.POST),
    ],
)
def test_reasons(page: Page | None, changes: dict[str, object], reason: Reason) -> None:
    assert decide_revision(page, incident(**changes), SLACK) is reason


def test_without_a_channel_nothing_is_posted() -> None:
    assert decide_revision(None, incident(), Slack()) is Reason.NO_CHANNEL


def test_severity_never_falls() -> None:
    page = revised(revised(None, incident()), incident(revision=2, severity="info"))
    assert page.incident.severity == "page"
