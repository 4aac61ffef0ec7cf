"""The on-call loop as people meet it: one message, buttons that act, a state that is true."""

import json
from typing import Any

import pytest

from pipeline.demo.block_kit import texts
from pipeline.demo.slack_conversations import SlackMessage
from pipeline.response.policy import Policy, Rule
from schemas.action import Action
from schemas.topics import ACTIONS, USAGE_EVENTS, VERDICTS
from schemas.verdict import Verdict
from tests.support.oncall import CHANNEL, TICKETS, OnCall, on_call
from tests.support.samples import KEY_ID, action_result, signal, verdict

AT_ONCE = Policy(rules=(Rule(name="at-once", cause=["leaked"], then="revoke"),))
UNLESS_HELD = Policy(rules=(Rule(name="unless-held", then="revoke", delay_seconds=300),))


def shown(loop: OnCall) -> str:
    """Everything that the page shows."""
    return shown_of(loop.page)


def shown_of(message: SlackMessage) -> str:
    """Everything that a message shows."""
    body = message.body
    return "\n".join([body["text"], *texts(body["blocks"]), *texts(body["attachments"])])


async def test_a_page_says_what_since_when_how_much_from_where_and_why() -> None:
    async with on_call() as loop:
        await loop.register()
        await loop.tell()
        said = shown(loop)
        assert loop.page.channel == CHANNEL
        for part in (
            "Key prod-search looks leaked",
            "Team: search / ana",
            "Environment: prod",
            "Since: 20",
            "Spent so far: $41.20",
            "Expected: $0.90",
            "$247.20 an hour",
            "From where: 212 requests from 198.51.100.0/24",
            "Why:\n1. $41.20 in 10 minutes",
            "What to do: if neither you nor the owner knows who this is, revoke it",
            "Most likely leaked, else runaway",
        ):
            assert part in said
        assert said.count("212 requests") == 1
        assert list(loop.page.buttons) == ["revoke", "acknowledge", "snooze", "not_a_leak"]
        assert "confirm" in loop.page.buttons["revoke"]
        assert {button["value"] for button in loop.page.buttons.values()} == {"inc_1"}
        (evidence,) = [each for each in loop.slack.messages if each.thread_ts is not None]
        assert evidence.thread_ts == loop.page.ts
        assert "python-requests/2.32" in "".join(texts(evidence.body["blocks"]))


async def test_a_page_with_one_reason_says_it_once() -> None:
    async with on_call() as loop:
        await loop.tell(signals=[signal(detector="new_source", summary="From NL, never seen.")])
        assert shown(loop).count("From NL, never seen.") == 1
        assert "Why" not in shown(loop)


async def test_a_page_about_use_past_the_gateway_does_not_call_it_free() -> None:
    async with on_call() as loop:
        summary = "The provider billed $97.16 for a window in which the gateway saw $0.00."
        evidence = {"unseen_usd": 97.16}
        past = [signal(detector="off_gateway", summary=summary, evidence=evidence)]
        own = {"key_id": "key-1", "cause": "off_gateway", "runner_up": None, "spend_usd": 0.0}
        await loop.tell(signals=past, **own)
        said = shown(loop)
        for part in (
            "Key: key-1\n",
            "Spent so far at the gateway: $0.00 (as of ",
            "\nWent past it: $97.16",
            "From where: no new source, or the log has no addresses",
            "1. The provider billed $97.16",
            "What to do: rotate the provider's key",
            "Most likely off gateway; risk",
        ):
            assert part in said


async def test_a_page_about_a_new_key_says_that_little_is_known_of_it() -> None:
    async with on_call() as loop:
        await loop.tell(learning=True)
        said = shown(loop)
        assert "The key is new: little is known of it, so most evidence counts for less." in said


async def test_revisions_update_the_one_message_and_repetitions_do_nothing() -> None:
    async with on_call() as loop:
        for revision in (1, 2, 2, 1, 3):
            await loop.tell(revision=revision, spend_usd=100.0 * revision)
        assert len(loop.slack.messages) == 2
        assert loop.page.updates == 2
        assert "Spent so far: $300.00" in shown(loop)
        await loop.tell(revision=4, status="resolved")
        assert "Resolved" in shown(loop)


@pytest.mark.parametrize(
    ("severity", "channels"), [("page", [CHANNEL]), ("ticket", [TICKETS]), ("info", [])]
)
async def test_severity_chooses_the_channel(severity: str, channels: list[str]) -> None:
    async with on_call() as loop:
        await loop.tell(severity=severity)
        assert [page.channel for page in loop.slack.pages] == channels


async def test_a_ticket_without_a_ticket_channel_is_not_posted() -> None:
    async with on_call(ticket_channel="") as loop:
        await loop.tell(severity="ticket")
        assert loop.slack.messages == []
        await loop.tell(severity="page", revision=2)
        assert loop.page.channel == CHANNEL


async def test_a_ticket_that_becomes_a_page_moves_to_the_pager() -> None:
    async with on_call() as loop:
        await loop.tell(severity="ticket")
        assert loop.page.body["text"].startswith("🟡")
        await loop.tell(severity="page", revision=2)
        assert loop.page.channel == CHANNEL
        assert loop.page.body["text"].startswith("🔴")
        threads = [each.channel for each in loop.slack.messages if "thread_ts" in each.body]
        assert threads == [CHANNEL], "the evidence moves along"


async def test_a_ticket_that_becomes_a_page_in_its_own_channel_is_posted_anew() -> None:
    """An edit notifies nobody."""
    async with on_call(ticket_channel=CHANNEL) as loop:
        await loop.tell(severity="ticket")
        before = loop.page.ts
        await loop.tell(severity="page", revision=2)
        assert loop.page.ts != before
        assert loop.page.updates == 0
        assert loop.page.body["text"].startswith("🔴")
        assert len(loop.slack.messages) == 2, "the evidence moves along"
        await loop.tell(severity="page", revision=3, spend_usd=500.0)
        assert loop.page.updates == 1


async def test_a_ticket_whose_key_a_person_revokes_stays_where_it_is() -> None:
    async with on_call() as loop:
        await loop.tell(severity="ticket")
        before = loop.page
        await loop.click("revoke")
        assert loop.page is before
        assert "Revoked and verified" in shown(loop)


async def test_a_ticket_that_somebody_took_is_no_louder_than_before() -> None:
    async with on_call() as loop:
        await loop.tell(severity="ticket")
        before = loop.page.body["attachments"][0]["color"]
        await loop.click("acknowledge")
        assert loop.page.body["attachments"][0]["color"] == before


async def test_revoke_ends_in_one_webhook_one_result_and_a_message_that_says_so() -> None:
    async with on_call() as loop:
        await loop.register()
        await loop.tell()
        await loop.click("revoke")
        (result,) = loop.results
        assert result.status == "verified"
        assert loop.gateway.revoked == {KEY_ID}
        assert list(loop.gateway.effective.values()) == [1]
        assert "Revoked and verified" in shown(loop)
        assert loop.page.buttons == {}
        (asked,) = loop.published(ACTIONS, Action)
        assert asked.requested_by == "slack:U1"
        assert [each.verdict for each in loop.published(VERDICTS, Verdict)] == ["leak"]


async def test_when_a_snooze_has_ended_the_message_says_what_to_expect() -> None:
    async with on_call() as loop:
        await loop.tell()
        await loop.click("snooze")
        await loop.tell(revision=2, status="suppressed", severity="info")
        await loop.wait(4 * 3600 + 60, step=600)
        assert "The snooze has ended; if it goes on, there is a new message." in shown(loop)
        assert list(loop.page.buttons) == ["revoke"]
        stale = loop.slack.interaction(loop.page, "snooze", "U2", value="inc_1")
        await loop.deliver_click(stale)
        assert "there is a new message" in loop.slack.whispers[0]["text"]


async def test_not_a_leak_is_told_to_detection_in_the_keys_own_log() -> None:
    async with on_call() as loop:
        await loop.tell()
        await loop.click("not_a_leak")
        (record,) = loop.bus.topics[USAGE_EVENTS.name]
        assert record.record == "verdict"
        assert record.key == KEY_ID.encode()
        assert json.loads(record.value)["verdict"] == "benign"
        assert "Judged not a leak by U1" in shown(loop)


async def test_acknowledge_and_snooze_show_who_and_until_when_and_a_snooze_ends() -> None:
    async with on_call() as loop:
        await loop.tell()
        await loop.click("acknowledge")
        assert "Acknowledged by U1" in shown(loop)
        assert "acknowledge" not in loop.page.buttons
        await loop.click("snooze", "U2")
        assert "Snoozed until" in shown(loop)
        loop.restart()
        await loop.wait(4 * 3600 + 60, step=600)
        assert "Acknowledged by U1" in shown(loop)
        said = loop.published(VERDICTS, Verdict)
        assert [each.verdict for each in said] == ["acknowledge", "snooze"]
        assert said[1].until is not None


async def test_people_appear_by_the_names_that_slack_gives_them() -> None:
    ask_first = Rule(name="ask-first", then="ask", approvers=["U2", "U9"])
    async with on_call(Policy(rules=(ask_first,))) as loop:
        loop.slack.names = {"U1": "ana.schmidt", "U2": "<!channel> *bo*"}
        await loop.tell()
        await loop.click("acknowledge")
        assert "Acknowledged by ana.schmidt." in shown(loop)
        await loop.click("revoke", "U2")
        said = shown(loop)
        assert "requested by &lt;!channel&gt; *bo*." in said
        assert "who may revoke: &lt;!channel&gt; *bo*, U9" in said
        assert {each.by for each in loop.published(VERDICTS, Verdict)} == {"slack:U1", "slack:U2"}


async def test_a_refusal_names_who_was_faster() -> None:
    async with on_call() as loop:
        loop.slack.names = {"U1": "ana.schmidt"}
        await loop.tell()
        late = loop.slack.interaction(loop.page, "acknowledge", "U2")
        await loop.click("acknowledge")
        await loop.deliver_click(late)
        assert loop.slack.whispers[0]["text"] == "ana.schmidt has acknowledged it already."


@pytest.mark.parametrize("button", ["revoke", "acknowledge", "snooze", "not_a_leak"])
async def test_a_click_by_somebody_else_does_nothing_but_answer_him(button: str) -> None:
    async with on_call() as loop:
        await loop.tell()
        await loop.click(button, "U666")
        assert loop.bus.topics[ACTIONS.name] == []
        assert loop.bus.topics[VERDICTS.name] == []
        assert loop.gateway.received == []
        (whisper,) = loop.slack.whispers
        assert whisper["user"] == "U666"


async def test_a_click_from_another_workspace_is_refused() -> None:
    async with on_call() as loop:
        await loop.tell()
        loop.slack.team = "T666"
        await loop.click("revoke")
        assert loop.bus.topics[ACTIONS.name] == []


async def test_a_click_that_comes_again_acts_once() -> None:
    async with on_call() as loop:
        await loop.tell()
        payload = loop.slack.interaction(loop.page, "not_a_leak", "U1")
        for _ in range(3):
            await loop.deliver_click(payload)
        assert len(loop.published(VERDICTS, Verdict)) == 1
        assert loop.slack.whispers == []


async def test_a_person_may_revoke_a_protected_key() -> None:
    async with on_call() as loop:
        await loop.register(protected=True)
        await loop.tell()
        await loop.click("revoke", "U1")
        assert len(loop.published(ACTIONS, Action)) == 1


async def test_a_key_without_a_gateway_has_no_button_and_a_forged_click_is_refused() -> None:
    async with on_call() as loop:
        await loop.register(gateway="elsewhere")
        await loop.tell()
        assert "its gateway elsewhere is not configured" in shown(loop)
        assert "revoke" not in loop.page.buttons
        forged = loop.slack.interaction(loop.page, "revoke", "U1", value="inc_1")
        await loop.deliver_click(forged)
        assert loop.bus.topics[ACTIONS.name] == []


async def test_only_the_policys_approvers_revoke() -> None:
    policy = Policy(rules=(Rule(name="ask-first", then="ask", approvers=["U2"]),))
    async with on_call(policy) as loop:
        await loop.tell()
        assert "rule ask-first says ask" in shown(loop)
        await loop.click("revoke", "U1")
        assert loop.bus.topics[ACTIONS.name] == []
        await loop.click("revoke", "U2")
        assert [each.status for each in loop.results] == ["verified"]


async def test_without_a_policy_nothing_is_revoked_by_machine() -> None:
    async with on_call() as loop:
        await loop.tell(risk=1.0)
        await loop.wait(30)
        assert loop.bus.topics[ACTIONS.name] == []


async def test_a_policy_that_acts_does_it_once_for_all_revisions() -> None:
    async with on_call(AT_ONCE) as loop:
        for revision in range(1, 5):
            await loop.tell(revision=revision)
        assert [each.status for each in loop.results] == ["verified"]
        assert "requested by the policy (at-once)" in shown(loop)


@pytest.mark.parametrize("button", ["not_a_leak", "snooze"])
async def test_a_planned_revocation_is_held_by_a_person(button: str) -> None:
    async with on_call(UNLESS_HELD) as loop:
        await loop.tell()
        assert "Will be revoked at" in shown(loop)
        await loop.wait(60, step=10)
        await loop.click(button)
        await loop.wait(600, step=10)
        assert [each.status for each in loop.results] == ["cancelled"]
        assert loop.gateway.received == []
        assert "was called off" in shown(loop)


async def test_a_planned_revocation_that_nobody_holds_happens_in_time() -> None:
    async with on_call(UNLESS_HELD) as loop:
        await loop.tell()
        await loop.wait(290, step=10)
        assert loop.results == []
        await loop.wait(20, step=10)
        assert [each.status for each in loop.results] == ["verified"]


async def test_a_person_need_not_wait_for_the_policys_delay() -> None:
    async with on_call(UNLESS_HELD) as loop:
        await loop.tell()
        await loop.click("revoke")
        assert [each.status for each in loop.results] == ["verified"]
        await loop.wait(600, step=30)
        assert len(loop.results) == 1
        assert list(loop.gateway.effective.values()) == [1]


async def test_actions_are_counted_by_who_asked_and_what_came_of_them() -> None:
    async with on_call(UNLESS_HELD) as loop:
        await loop.tell()
        await loop.click("revoke")
        counted = loop.counts.render().decode()
        for line in (
            'leakline_actions_requested_total{by="policy",kind="revoke"} 1.0',
            'leakline_actions_requested_total{by="person",kind="revoke"} 1.0',
            'leakline_action_outcomes_total{status="verified"} 1.0',
        ):
            assert line in counted


async def test_after_a_failure_a_person_can_try_again() -> None:
    async with on_call() as loop:
        await loop.tell()
        loop.gateway.faults = ["404"]
        await loop.click("revoke")
        assert "NOT revoked (failed)" in shown(loop)
        await loop.click("revoke")
        assert [each.status for each in loop.results] == ["failed", "verified"]
        assert "Revoked and verified" in shown(loop)


def alarms(loop: OnCall) -> list[str]:
    """What the channel was shown beside the message, in its thread."""
    shown = [each for each in loop.slack.messages if each.body.get("reply_broadcast")]
    assert all(each.thread_ts == loop.page.ts for each in shown)
    return [each.body["text"] for each in shown]


async def test_people_hear_of_a_revocation_that_failed_once_for_each() -> None:
    async with on_call(UNLESS_HELD) as loop:
        loop.gateway.faults = ["404", "404"]
        await loop.tell()
        await loop.wait(310, step=10)
        (alarm,) = alarms(loop)
        assert alarm.startswith("🔴 Key sha256:abababababab… looks leaked. NOT revoked (failed)")
        loop.restart()
        await loop.tell(revision=2, spend_usd=500.0)
        assert len(alarms(loop)) == 1
        await loop.click("revoke")
        assert [each.status for each in loop.results] == ["failed", "failed"]
        assert len(alarms(loop)) == 2
        await loop.click("revoke")
        assert "Revoked and verified" in shown(loop)
        assert len(alarms(loop)) == 2


async def test_a_key_that_is_used_after_its_revocation_is_told_and_can_be_revoked_again() -> None:
    async with on_call() as loop:
        await loop.tell()
        await loop.click("revoke")
        await loop.tell(revision=2, spend_usd=60.0, detected_at=loop.clock() + 600)
        assert "Revoked and verified" in loop.page.body["text"], "what it spends is of before"
        assert alarms(loop) == []
        later: dict[str, object] = {"detected_at": loop.clock() + 3600, "burn_usd_per_hour": 860.0}
        await loop.tell(revision=3, spend_usd=900.0, **later)
        await loop.tell(revision=4, spend_usd=999.0, **later)
        (alarm,) = alarms(loop)
        assert "🔴" in alarm
        assert "STILL USED after the revocation: $860.00 an hour" in alarm
        assert loop.page.body["text"] == alarm
        assert list(loop.page.buttons) == ["revoke", "acknowledge"]
        await loop.click("revoke", "U2")
        assert [each.status for each in loop.results] == ["verified", "verified"]
        assert len({each.action_id for each in loop.results}) == 2


async def test_the_registry_shows_sooner_that_a_revoked_key_is_still_served() -> None:
    async with on_call() as loop:
        await loop.tell()
        await loop.click("revoke")
        loop.clock.advance(240)
        for served, count in ((0, 0), (7, 1)):
            window = {"window_start": loop.clock() - 60, "window_end": loop.clock()}
            evidence = {"status": "revoked", "requests": 9, "served": served}
            use = signal(detector="revoked_use", evidence=evidence, **window)
            await loop.tell(revision=2 + served, burn_usd_per_hour=0.0, signals=[use])
            assert len(alarms(loop)) == count


async def test_what_ended_after_a_revocation_stays_revoked() -> None:
    async with on_call() as loop:
        await loop.tell()
        await loop.click("revoke")
        loop.clock.advance(86_400)
        await loop.tell(revision=2, status="resolved", severity="info", burn_usd_per_hour=5.0)
        assert "🟢" in loop.page.body["text"]
        assert alarms(loop) == []


async def test_a_dry_run_is_never_shown_as_a_revocation() -> None:
    policy = AT_ONCE.model_copy(
        update={"brakes": AT_ONCE.brakes.model_copy(update={"dry_run": True})}
    )
    async with on_call(policy) as loop:
        await loop.tell()
        assert [each.status for each in loop.results] == ["done"]
        assert loop.gateway.received == []
        assert "the policy (at-once) would have revoked it; nothing was sent." in shown(loop)
        await loop.click("revoke")
        assert [each.status for each in loop.results] == ["done", "verified"]


async def test_a_click_on_what_is_no_longer_offered_is_answered_and_changes_nothing() -> None:
    """Two people at once, or a message that has changed meanwhile."""
    async with on_call() as loop:
        await loop.tell()
        stale = loop.slack.interaction(loop.page, "not_a_leak", "U2")
        await loop.click("revoke")
        await loop.deliver_click(stale)
        assert [each.verdict for each in loop.published(VERDICTS, Verdict)] == ["leak"]
        heard = [json.loads(each.value) for each in loop.bus.topics[USAGE_EVENTS.name]]
        assert [each["verdict"] for each in heard] == ["leak"]
        (whisper,) = loop.slack.whispers
        assert (whisper["user"], whisper["text"]) == ("U2", "The key is revoked already.")


async def test_a_click_on_an_older_rendering_acts_while_its_button_is_offered() -> None:
    async with on_call() as loop:
        await loop.tell()
        stale = [loop.slack.interaction(loop.page, each, "U2") for each in ("snooze", "not_a_leak")]
        await loop.tell(revision=2, spend_usd=100.0)
        await loop.click("acknowledge")
        for number, payload in enumerate(stale):
            loop.clock.advance(1)
            await loop.deliver_click(payload)
            assert len(loop.published(VERDICTS, Verdict)) == number + 2
        assert loop.slack.whispers == []


@pytest.mark.parametrize("first", ["snooze", "revoke"])
async def test_who_acknowledges_what_is_snoozed_or_has_failed_is_shown(first: str) -> None:
    async with on_call() as loop:
        loop.gateway.faults = ["404"]
        await loop.tell()
        await loop.click(first)
        loop.clock.advance(1)
        await loop.click("acknowledge", "U2")
        assert "Acknowledged by U2." in shown(loop)
        assert "acknowledge" not in loop.page.buttons


@pytest.mark.parametrize("button", ["snooze", "not_a_leak"])
async def test_a_word_after_a_failed_revocation_is_shown_beside_it(button: str) -> None:
    async with on_call() as loop:
        loop.gateway.faults = ["404"]
        await loop.tell()
        await loop.click("revoke")
        loop.clock.advance(1)
        await loop.click(button)
        said = shown(loop)
        assert ("Snoozed until" if button == "snooze" else "Judged not a leak by U1.") in said
        assert "NOT revoked (failed)" in said
        assert button not in loop.page.buttons


@pytest.mark.parametrize(
    ("cause", "gateway", "buttons", "note"),
    [
        ("leaked", "edge", ["revoke"], "Nobody answered."),
        ("leaked", "elsewhere", [], "No Revoke button: its gateway elsewhere is not configured"),
        ("runaway", "edge", [], "Nobody answered."),
    ],
)
async def test_a_leaked_key_that_went_quiet_can_still_be_revoked(
    cause: str, gateway: str, buttons: list[str], note: str
) -> None:
    async with on_call() as loop:
        await loop.register(gateway=gateway)
        await loop.tell(cause=cause)
        await loop.tell(revision=2, cause=cause, status="resolved", severity="info")
        assert list(loop.page.buttons) == buttons
        assert note in shown(loop)
        if buttons:
            await loop.click("revoke")
            assert "Revoked and verified" in shown(loop)


async def test_what_somebody_answered_before_it_ended_is_not_called_unanswered() -> None:
    async with on_call() as loop:
        await loop.tell()
        await loop.click("acknowledge")
        await loop.tell(revision=2, status="resolved", severity="info")
        assert "Resolved: the key behaves as usual again. Acknowledged by U1." in shown(loop)


async def test_a_policy_leaves_what_somebody_has_taken_to_people() -> None:
    policy = Policy(rules=(Rule(name="at-once", risk_min=0.9, then="revoke"),))
    async with on_call(policy) as loop:
        await loop.tell(risk=0.6)
        await loop.click("acknowledge")
        await loop.tell(revision=2, risk=0.95)
        assert loop.published(ACTIONS, Action) == []
        assert "rule at-once would revoke, but U1 has acknowledged the incident" in shown(loop)
        await loop.click("revoke")
        assert [each.status for each in loop.results] == ["verified"]


async def test_a_dry_run_that_the_gateway_would_have_refused_says_so() -> None:
    brakes = AT_ONCE.brakes.model_copy(update={"dry_run": True})
    async with on_call(AT_ONCE.model_copy(update={"brakes": brakes})) as loop:
        await loop.register(gateway="elsewhere")
        await loop.tell()
        said = shown(loop)
        assert "the policy (at-once) would not have revoked it (refused): no gateway is" in said
        assert "would have revoked it" not in said


async def test_a_dry_run_that_was_called_off_says_so() -> None:
    brakes = UNLESS_HELD.brakes.model_copy(update={"dry_run": True})
    async with on_call(UNLESS_HELD.model_copy(update={"brakes": brakes})) as loop:
        await loop.tell()
        await loop.click("snooze")
        await loop.wait(20)
        assert "The dry run of a revocation was called off." in shown(loop)


async def test_a_verdict_from_elsewhere_is_shown() -> None:
    async with on_call() as loop:
        await loop.tell()
        said = verdict(by="console:ana", at=loop.clock())
        await loop.bus.publish(VERDICTS, said, key="inc_1")
        await loop.bus.run_until_quiet()
        assert "Judged not a leak by ana" in shown(loop)


@pytest.mark.parametrize("ahead", [0, 3600])
async def test_a_click_is_heard_after_a_verdict_however_far_ahead_that_is_dated(ahead: int) -> None:
    async with on_call(UNLESS_HELD) as loop:
        await loop.tell()
        said = verdict(verdict="acknowledge", by="slack:U1", at=loop.clock() + ahead)
        await loop.bus.publish(VERDICTS, said, key="inc_1")
        await loop.bus.run_until_quiet()
        await loop.click("not_a_leak")
        assert "Judged not a leak by U1" in shown(loop)
        await loop.wait(400, step=10)
        assert [each.status for each in loop.results] == ["cancelled"], "enforcement hears it, too"


async def test_a_verdict_from_elsewhere_reaches_detection_once() -> None:
    """Also on an incident that nobody was told of."""
    async with on_call() as loop:
        await loop.tell()
        for incident in ("inc_1", "inc_1", "inc_untold"):
            said = verdict(incident_id=incident, by="console:ana", at=loop.clock())
            await loop.bus.publish(VERDICTS, said, key=incident)
            await loop.bus.run_until_quiet()
        heard = [json.loads(each.value) for each in loop.bus.topics[USAGE_EVENTS.name]]
        assert [each["incident_id"] for each in heard] == ["inc_1", "inc_untold"]


async def test_two_words_of_one_person_in_the_same_second_are_heard_and_each_once() -> None:
    async with on_call() as loop:
        await loop.tell()
        for word in ("acknowledge", "benign", "benign"):
            said = verdict(verdict=word, by="console:ana", at=loop.clock())
            await loop.bus.publish(VERDICTS, said, key=said.incident_id)
        await loop.bus.run_until_quiet()
        assert "Judged not a leak by ana. Acknowledged by ana." in shown(loop)
        heard = [json.loads(each.value) for each in loop.bus.topics[USAGE_EVENTS.name]]
        assert [each["verdict"] for each in heard] == ["acknowledge", "benign"]


async def test_hostile_text_is_inert_in_an_answer_to_a_click() -> None:
    async with on_call() as loop:
        await loop.tell()
        stale = loop.slack.interaction(loop.page, "revoke", "U1")
        await loop.register(gateway="<!here> <https://evil|*edge*> sk-planted-0123456789")
        await loop.deliver_click(stale)
        (whisper,) = loop.slack.whispers
        assert "is not configured" in whisper["text"]
        assert not set(whisper["text"]) & set("<>*")
        assert "planted" not in whisper["text"]


async def test_an_outcome_of_an_unknown_action_is_shown() -> None:
    async with on_call() as loop:
        await loop.tell()
        topic = "action-results"
        assert topic in loop.bus.topics
        by_others = action_result(action_id="act_others", at=loop.clock())
        await loop.bus.publish(next(t for t in loop.notify.reads if t.name == topic), by_others)
        await loop.bus.run_until_quiet()
        said = shown(loop)
        assert "Revoked and verified" in said
        assert "requested by another tool." in said


async def test_hostile_text_is_inert_and_fits() -> None:
    nasty = "<!channel> *_~`<@U1>` & <https://evil|click> \u202e" * 200
    async with on_call() as loop:
        await loop.register(alias=nasty[:500])
        signals = [
            signal(detector="new_source", summary=nasty, evidence={"user_agent": nasty})
            for _ in range(30)
        ]
        await loop.tell(signals=signals, team=nasty, environment=nasty)
        assert loop.slack.rejected == []
        for message in loop.slack.messages:
            everything = json.dumps(message.body, ensure_ascii=False)
            assert "<!" not in everything
            assert "<@" not in everything
            assert "\u202e" not in everything
            assert '"mrkdwn"' not in everything
            assert not set(message.body["text"]) & set("*_~`")


async def test_records_that_make_no_sense_are_skipped() -> None:
    async with on_call() as loop:
        for topic in loop.notify.reads:
            for value in (
                b"",
                b"{",
                b"[]",
                b'{"a":' * 50_000,
                b'"x"',
                b'{"actions":[{"action_id":"revoke"}]}',
            ):
                await loop.bus.publish(topic, value)
        await loop.bus.run_until_quiet()
        assert loop.slack.messages == []


async def moved(loop: OnCall, number: int, **changes: object) -> None:
    """A key of its own that is used from the same new source as the others."""
    evidence = {"prefix": "198.51.100.0/24", "new": "prefix"}
    shared = signal(detector="new_source", score=7.0, evidence=evidence)
    own = {"incident_id": f"inc-{number}", "key_id": f"key-{number}", "risk": 0.55}
    await loop.tell(**(own | {"signals": [shared], "spend_usd": float(number)} | changes))


async def test_a_fleet_that_moves_is_one_notice_with_its_keys_and_no_revoke() -> None:
    async with on_call() as loop:
        for number in range(1, 41):
            await moved(loop, number)
        await loop.wait(10)
        assert [page.buttons.keys() >= {"revoke"} for page in loop.slack.pages[:4]] == [True] * 4
        (notice,) = loop.slack.pages[4:]
        assert list(notice.buttons) == ["revoke", "acknowledge", "snooze", "not_a_leak"]
        body = "\n".join(texts(notice.body["blocks"]))
        assert "40 keys use the same new addresses, 198.51.100.0/24" in body
        assert "36 incidents in this message: 36 would page." in body
        assert "4 more have messages of their own" in body
        assert "spent so far $810.00" in body
        assert body.index("key-40: $40.00") < body.index("key-39: $39.00")


async def test_what_nobody_is_told_of_makes_no_notice() -> None:
    async with on_call() as loop:
        for number in range(1, 7):
            await moved(loop, number, severity="info")
        await moved(loop, 7)
        loop.restart()
        await moved(loop, 8)
        assert [page.buttons["revoke"]["value"] for page in loop.slack.pages] == ["inc-7", "inc-8"]


async def test_a_notice_forms_beside_what_waits_for_slack_after_a_restart_as_well() -> None:
    async with on_call() as loop:
        loop.slack.down = True
        for number in range(1, 5):
            await moved(loop, number)
        loop.restart()
        for number in range(5, 9):
            await moved(loop, number)
        loop.slack.down = False
        await loop.wait(130, step=5)
        assert len(loop.slack.pages) == 5


async def test_a_notice_takes_in_after_a_restart_what_it_would_have_before() -> None:
    async with on_call() as loop:
        for number in range(1, 12):
            await moved(loop, number)
            if number > 4:
                loop.restart()
        await loop.wait(10)
        assert len(loop.slack.pages) == 5
        assert "7 incidents in this message" in shown_of(loop.slack.pages[4])


async def test_an_answer_to_a_notice_is_a_verdict_for_each_of_its_keys() -> None:
    async with on_call() as loop:
        for number in range(1, 9):
            await moved(loop, number)
        notice = loop.slack.pages[4]
        await loop.click("not_a_leak", page=notice)
        await loop.wait(5)
        said = {each.key_id: each.verdict for each in loop.published(VERDICTS, Verdict)}
        assert said == {f"key-{number}": "benign" for number in range(5, 9)}
        records = loop.bus.topics[USAGE_EVENTS.name]
        assert [each.key for each in records] == [f"key-{n}".encode() for n in range(5, 9)]
        assert "Judged not a leak by U1" in "\n".join(texts(notice.body["attachments"]))
        await moved(loop, 9)
        assert len(loop.slack.pages) == 6, "what comes after the answer is told anew"


async def test_a_key_of_a_notice_is_revoked_by_its_own_button_and_gets_its_own_message() -> None:
    async with on_call() as loop:
        for number in range(1, 15):
            await loop.register(key_id=f"key-{number}", alias=None)
            await moved(loop, number)
        await loop.wait(2)
        notice = loop.slack.pages[4]
        offered = [each["value"] for each in revocations(notice)]
        assert offered == [f"inc-{number}" for number in range(14, 9, -1)]
        await loop.deliver_click(loop.slack.interaction(notice, "revoke", "U1", "inc-14"))
        await loop.wait(2)
        assert loop.gateway.revoked == {"key-14"}
        assert len(loop.slack.pages) == 6
        assert "Revoked and verified" in "\n".join(texts(loop.slack.pages[5].body["attachments"]))
        assert "key-14" not in "\n".join(texts(notice.body["blocks"]))


async def test_a_notice_whose_incidents_have_all_moved_out_does_not_call_them_resolved() -> None:
    async with on_call() as loop:
        for number in range(1, 6):
            await moved(loop, number)
        notice = loop.slack.pages[4]
        stale = loop.slack.interaction(notice, "not_a_leak", "U1")
        loop.slack.names = {"U1": "ana.schmidt"}
        await loop.click("acknowledge", page=notice)
        worse = [signal(score=9.0), signal(detector="newcomer_rush", score=9.0)]
        await moved(loop, 5, revision=2, risk=0.9, signals=worse)
        await loop.wait(5)
        assert "Acknowledged by ana.schmidt." in shown_of(loop.slack.pages[5])
        assert "All of them have messages of their own." in shown_of(notice)
        assert "Resolved" not in shown_of(notice)
        assert notice.buttons == {}
        await loop.deliver_click(stale)
        assert [each.verdict for each in loop.published(VERDICTS, Verdict)] == ["acknowledge"]
        assert "messages of their own" in loop.slack.whispers[0]["text"]
        await moved(loop, 6)
        await loop.wait(5)
        assert "1 incident in this message" in shown_of(notice)


async def test_a_notice_that_is_over_can_still_revoke_its_leaked_keys() -> None:
    async with on_call() as loop:
        for number in range(1, 8):
            await loop.register(key_id=f"key-{number}", alias=None)
            await moved(loop, number)
        for number in range(5, 8):
            await moved(loop, number, revision=2, status="resolved", severity="info")
        await loop.wait(5)
        notice = loop.slack.pages[4]
        said = shown_of(notice)
        assert "Resolved: none of its incidents is open any more. Nobody answered." in said
        assert list(notice.buttons) == ["revoke"]
        assert "press Not a leak" not in said
        await loop.deliver_click(loop.slack.interaction(notice, "revoke", "U1", "inc-7"))
        assert loop.gateway.revoked == {"key-7"}


async def test_a_snoozed_notice_takes_no_more_and_says_when_its_snooze_has_ended() -> None:
    async with on_call() as loop:
        for number in range(1, 8):
            await moved(loop, number)
        notice = loop.slack.pages[4]
        await loop.click("snooze", page=notice)
        for number in range(5, 8):
            await moved(loop, number, revision=2, status="suppressed", severity="info")
        await loop.wait(2)
        assert "Snoozed until" in shown_of(notice)
        await moved(loop, 8)
        assert len(loop.slack.pages) == 6, "what comes after the answer is told anew"
        await loop.wait(4 * 3600 + 60, step=600)
        assert "The snooze has ended; if it goes on, there is a new message." in shown_of(notice)


async def test_a_notice_tells_keys_apart_by_alias_or_by_the_end_of_a_long_id() -> None:
    role = "arn:aws:sts::111111111111:assumed-role/AmazonBedrockExecution/session-"
    async with on_call() as loop:
        for number in range(1, 8):
            await moved(loop, number, key_id=f"{role}{number}", cause="off_gateway")
        await loop.register(key_id=f"{role}6", alias="ci_prod")
        await moved(loop, 6, key_id=f"{role}6", revision=2, cause="off_gateway")
        await loop.wait(2)
        notice = loop.slack.pages[4]
        labels = [each["text"]["text"] for each in revocations(notice)]
        assert labels[1] == "Revoke ci_prod"
        assert labels[0].endswith("/session-7")
        assert labels[2].endswith("/session-5")
        assert "Most likely off gateway." in shown_of(notice)


def revocations(notice: SlackMessage) -> list[dict[str, Any]]:
    """The Revoke buttons of a notice."""
    rows = [e for b in notice.body["blocks"] if b["type"] == "actions" for e in b["elements"]]
    return [each for each in rows if each["action_id"] == "revoke"]


async def test_the_buttons_of_a_notice_count_the_keys_that_they_are_about() -> None:
    async with on_call() as loop:
        for number in range(1, 8):
            await moved(loop, number)
        await moved(loop, 7, revision=2, status="resolved", severity="info")
        await loop.wait(5)
        notice = loop.slack.pages[4]
        assert notice.buttons["not_a_leak"]["text"]["text"] == "Not a leak (2 keys)"
        assert "3 incidents in this message: 3 would page, 1 is over. 4 more have" in shown_of(
            notice
        )


@pytest.mark.parametrize(("severity", "channel"), [("ticket", TICKETS), ("page", CHANNEL)])
async def test_a_key_that_is_revoked_from_a_notice_is_told_where_the_notice_is(
    severity: str, channel: str
) -> None:
    async with on_call() as loop:
        for number in range(1, 8):
            await loop.register(key_id=f"key-{number}", alias=None)
            await moved(loop, number, severity=severity if number == 7 else "ticket")
        await loop.wait(2)
        (notice,) = (page for page in loop.slack.pages if len(revocations(page)) > 1)
        assert notice.channel == channel
        await loop.deliver_click(loop.slack.interaction(notice, "revoke", "U1", "inc-6"))
        assert loop.gateway.revoked == {"key-6"}
        (told,) = [p for p in loop.slack.pages if "Revoked and verified" in shown_of(p)]
        assert told.channel == channel


async def test_no_click_revokes_all_keys_of_a_notice() -> None:
    async with on_call() as loop:
        for number in range(1, 7):
            await moved(loop, number)
        notice = loop.slack.pages[4]
        value = notice.buttons["acknowledge"]["value"]
        await loop.deliver_click(loop.slack.interaction(notice, "revoke", "U1", value))
        assert loop.published(ACTIONS, Action) == []
        assert "stands for many keys" in loop.slack.whispers[0]["text"]


async def test_a_key_that_turns_out_worse_leaves_the_notice_for_a_message_of_its_own() -> None:
    async with on_call() as loop:
        for number in range(1, 9):
            await moved(loop, number)
        assert len(loop.slack.pages) == 5
        spent = [signal(score=9.0), signal(detector="newcomer_rush", score=9.0)]
        await moved(loop, 8, revision=2, risk=0.9, signals=spent)
        await loop.wait(5)
        assert len(loop.slack.pages) == 6
        assert loop.slack.pages[5].buttons["revoke"]["value"] == "inc-8"
        assert "key-8" not in "\n".join(texts(loop.slack.pages[4].body["blocks"]))


async def test_what_a_machine_does_to_a_key_is_told_alone_and_the_brakes_hold_the_rest() -> None:
    async with on_call(AT_ONCE) as loop:
        for number in range(1, 13):
            await loop.register(key_id=f"key-{number}", alias=None)
        for number in range(1, 13):
            await moved(loop, number)
        await loop.wait(5)
        revoked = len(loop.gateway.revoked)
        assert 0 < revoked <= AT_ONCE.brakes.revocations_per_hour_max
        assert len(loop.slack.pages) == 5


async def test_tickets_are_gathered_too_and_a_page_among_them_moves_the_notice() -> None:
    async with on_call() as loop:
        for number in range(1, 8):
            await moved(loop, number, severity="ticket")
        assert [page.channel for page in loop.slack.pages] == [TICKETS] * 5
        await moved(loop, 7, severity="page", revision=2)
        await loop.wait(5)
        assert [page.channel for page in loop.slack.pages] == [*[TICKETS] * 4, CHANNEL]


async def test_without_slack_the_fall_back_gets_one_notice_too() -> None:
    async with on_call() as loop:
        loop.slack.down = True
        for number in range(1, 31):
            await moved(loop, number)
        await moved(loop, 1, revision=2)
        await loop.wait(120, step=5)
        assert len(loop.slack.webhook) == 5
        assert "keys use the same new addresses" in loop.slack.webhook[4]["text"]
        loop.slack.down = False
        await loop.wait(120, step=5)
        assert len(loop.slack.pages) == 5
        assert [p.buttons["acknowledge"]["value"][:6] for p in loop.slack.pages].count(
            "fleet-"
        ) == 1
