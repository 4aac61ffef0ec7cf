"""Who may act, and on what: pure decisions."""

import msgspec
import pytest

from pipeline.config import Slack
from pipeline.demo.fake_slack import FakeSlack
from pipeline.demo.slack_conversations import SlackMessage
from pipeline.notify.clicks import Click, Powers, judge_click, read_click
from pipeline.notify.page import Page, acted, action_id, judged, requested, revised
from pipeline.notify.phase import phase
from tests.support.samples import AT, action, action_result, incident, verdict

SLACK = Slack(allowed_users=["U1"], team_id="T111")


def click(button: str = "revoke", user: str = "U1") -> Click:
    message = SlackMessage("C1", "1.2", {})
    payload = FakeSlack().interaction(message, button, user, value="inc_1")
    read = read_click(msgspec.json.encode(payload))
    assert read is not None
    return read


def powers(approvers: list[str] | None = None, not_revocable: str | None = None) -> Powers:
    return Powers(SLACK, approvers, not_revocable)


def page() -> Page:
    return revised(None, incident())


def test_an_allowed_person_acts() -> None:
    assert judge_click(click(), page(), powers()) is None


def test_reasons_of_refusals() -> None:
    revoking, revoked, seen, taken = page(), page(), page(), page()
    requested(revoking, action())
    acted(revoked, action_result())
    judged(taken, verdict(verdict="acknowledge", by="slack:U2"))
    first = click()
    seen.clicks.append(first.click_id)
    cases = [
        (click(user="U2"), page(), powers(), "not on the list"),
        (click(), None, powers(), "no longer known"),
        (click(), page(), powers(approvers=["U9"]), "approvers"),
        (click(), page(), powers(not_revocable="no gateway is known for it"), "no gateway"),
        (click(), revoking, powers(), "being revoked"),
        (click(), revoked, powers(), "revoked already"),
        (click("acknowledge"), taken, powers(), "U2 has acknowledged"),
        (first, seen, powers(), "acted already"),
    ]
    for pressed, known, may, reason in cases:
        refusal = judge_click(pressed, known, may)
        assert refusal is not None
        assert reason in refusal.reason


@pytest.mark.parametrize(
    ("verdicts", "changes", "button", "reason"),
    [
        (["snooze"], {}, "snooze", "snoozed already, until 2026-"),
        (["benign"], {}, "snooze", "U1 has judged it not a leak already."),
        (["benign"], {}, "acknowledge", "U1 has judged it not a leak already."),
        ([], {"status": "resolved"}, "not_a_leak", "It is over already"),
        ([], {"status": "suppressed"}, "snooze", "silenced already"),
    ],
)
def test_what_the_state_no_longer_offers_is_declined(
    verdicts: list[str], changes: dict[str, object], button: str, reason: str
) -> None:
    known = page()
    for said in verdicts:
        judged(known, verdict(verdict=said, until=AT + 3600))
    known = revised(known, incident(revision=2, **changes))
    refusal = judge_click(click(button), known, powers())
    assert refusal is not None
    assert reason in refusal.reason


def test_a_planned_revocation_tells_who_presses_acknowledge_how_to_hold_it() -> None:
    known = page()
    requested(known, action(not_before=AT + 300))
    refusal = judge_click(click("acknowledge"), known, powers())
    assert refusal is not None
    assert "press Snooze or Not a leak to hold that" in refusal.reason
    assert judge_click(click("snooze"), known, powers()) is None
    judged(known, verdict(verdict="snooze", until=AT + 3600))
    assert phase(known) == "snoozed", "also before the gateway's side has heard of it"


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"{}", b'{"actions":[{"action_id":"other","value":"x"}]}']
)
def test_what_is_no_known_button_is_no_click(value: bytes) -> None:
    assert read_click(value) is None


def test_an_action_keeps_its_id_until_it_ended_without_effect() -> None:
    known = page()
    first = action_id(known, "revoke")
    assert first == action_id(page(), "revoke")
    assert "." not in first
    requested(known, action(action_id=first))
    assert action_id(known, "revoke") == first
    acted(known, action_result(action_id=first, status="failed"))
    assert action_id(known, "revoke") != first
    assert action_id(known, "revoke", dry_run=True) not in {first, action_id(known, "revoke")}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("verified", "revoked"),
        ("done", "revoked"),
        ("failed", "failed"),
        ("refused", "failed"),
        ("expired", "failed"),
        ("cancelled", "open"),
    ],
)
def test_an_outcome_sets_the_state(status: str, expected: str) -> None:
    known = page()
    requested(known, action())
    acted(known, action_result(status=status))
    assert phase(known) == expected


def test_an_older_word_changes_nothing() -> None:
    known = page()
    assert judged(known, verdict(at=100.0))
    assert not judged(known, verdict(at=99.0, verdict="leak"))
    assert not judged(known, verdict(at=100.0))
    assert phase(known) == "benign"
