"""Slack at its worst: still one message for each incident, and somebody is told."""

import logging

import pytest

from pipeline.demo.fake_slack import Fault
from pipeline.notify.stage import NotifyStage
from pipeline.response.policy import Rulebook
from tests.notify.test_stage import AT_ONCE, UNLESS_HELD, shown
from tests.support.oncall import CHANNEL, on_call
from tests.support.samples import KEY_ID


@pytest.mark.parametrize("fault", ["500", "503", "internal_error", "cut", "cut-before"])
@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update", "conversations.history"])
async def test_a_fault_leaves_one_message_that_shows_the_latest(fault: Fault, method: str) -> None:
    async with on_call() as loop:
        if method == "conversations.history":
            loop.slack.faults = [("chat.postMessage", "cut")]
        loop.slack.faults.append((method, fault))
        await loop.tell()
        await loop.tell(revision=2, spend_usd=500.0)
        await loop.wait(30, step=2)
        assert "Spent so far: $500.00" in shown(loop)
        assert len(loop.slack.messages) == 2
        assert loop.slack.faults == []
        assert 'messages_total{outcome="failed"} 0.0' not in loop.counts.render().decode()


async def test_a_post_that_timed_out_after_it_was_applied_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.notify.slack_client.TIMEOUT_SECONDS", 0.2)
    async with on_call() as loop:
        loop.slack.faults = [("chat.postMessage", "time-out")]
        await loop.tell()
        await loop.wait(10, step=2)
        assert len(loop.slack.pages) == 1
        assert "conversations.history" in loop.slack.calls


async def test_a_short_history_without_the_message_is_read_once() -> None:
    async with on_call() as loop:
        loop.slack.faults = [("chat.postMessage", "cut-before")]
        await loop.tell()
        await loop.wait(10, step=2)
        assert len(loop.slack.pages) == 1
        assert loop.slack.calls.count("conversations.history") == 1


async def test_a_lost_message_is_found_behind_many_others() -> None:
    async with on_call() as loop:
        loop.slack.faults = [("chat.postMessage", "cut")]
        await loop.tell()
        for _ in range(450):
            loop.slack.conversations.post({"channel": CHANNEL, "text": "somebody else's"})
        await loop.wait(10, step=2)
        mine = [each for each in loop.slack.pages if each.body.get("metadata")]
        assert len(mine) == 1
        assert loop.slack.calls.count("conversations.history") == 3


async def test_retry_after_is_kept_and_other_channels_go_on() -> None:
    async with on_call() as loop:
        loop.slack.retry_after_seconds = 30
        loop.slack.faults = [("chat.postMessage", "429")]
        await loop.tell()
        calls = len(loop.slack.calls)
        await loop.wait(28, step=1)
        assert len(loop.slack.calls) == calls
        await loop.tell(incident_id="inc_2", severity="ticket")
        assert len(loop.slack.pages) == 1
        await loop.wait(4)
        assert len(loop.slack.pages) == 2


async def test_a_slack_that_stays_down_is_asked_less_and_less() -> None:
    async with on_call() as loop:
        loop.slack.down = True
        await loop.tell()
        await loop.wait(250, step=1)
        assert len(loop.slack.calls) < 20


async def test_a_clock_that_goes_back_lengthens_no_rest() -> None:
    async with on_call() as loop:
        loop.slack.retry_after_seconds = 30
        loop.slack.faults = [("chat.postMessage", "429")]
        await loop.tell()
        loop.clock.at -= 60
        await loop.wait(3, step=1)
        assert len(loop.slack.pages) == 1


async def test_a_short_retry_after_is_waited_for_in_place() -> None:
    async with on_call() as loop:
        loop.slack.faults = [("chat.postMessage", "429")]
        await loop.tell()
        assert len(loop.slack.pages) == 1


async def test_while_slack_is_down_the_fall_back_speaks_once_and_incidents_wait() -> None:
    async with on_call() as loop:
        loop.slack.down = True
        await loop.register(alias="<!channel> *boom*")
        for revision in (1, 2, 3):
            await loop.tell(revision=revision)
        await loop.tell(incident_id="inc_2")
        await loop.tell(incident_id="inc_3", severity="ticket")
        await loop.wait(120, step=5)
        assert len(loop.slack.webhook) == 2
        for said in loop.slack.webhook:
            assert set(said) == {"text"}
            assert "looks leaked" in said["text"]
            assert "<!" not in said["text"]
            assert "*" not in said["text"]
        loop.restart()
        loop.slack.down = False
        await loop.wait(70, step=5)
        assert len(loop.slack.pages) == 3
        assert len(loop.slack.webhook) == 2
        assert 'messages_total{outcome="fallback"} 2.0' in loop.counts.render().decode()


async def test_while_slack_is_down_the_fall_back_tells_of_a_failed_revocation_as_well() -> None:
    async with on_call(UNLESS_HELD) as loop:
        loop.slack.down = True
        await loop.tell()
        loop.gateway.faults = ["404"]
        await loop.wait(400, step=10)
        first, second = loop.slack.webhook
        assert "NOT revoked" not in first["text"]
        assert "NOT revoked (failed)" in second["text"]
        assert len(set(loop.slack.webhook_keys)) == 2
        loop.restart()
        loop.slack.down = False
        await loop.wait(70, step=5)
        assert len(loop.slack.webhook) == 2
        assert "NOT revoked (failed)" in loop.page.body["text"]


async def test_the_fall_back_tells_of_a_ticket_that_becomes_a_page_while_slack_is_down() -> None:
    async with on_call() as loop:
        await loop.tell(severity="ticket")
        loop.slack.down = True
        await loop.tell(severity="page", revision=2)
        await loop.wait(30, step=5)
        assert len(loop.slack.webhook) == 1
        loop.slack.down = False
        await loop.wait(70, step=5)
        assert loop.page.channel == CHANNEL


async def test_the_fall_back_names_the_key_as_it_is() -> None:
    async with on_call() as loop:
        loop.slack.down = True
        await loop.register(key_id="_ci__prod_1", alias="team_a_ci")
        await loop.tell(key_id="_ci__prod_1")
        (said,) = loop.slack.webhook
        assert said["text"].startswith("Key team_a_ci looks leaked.")
        assert said["text"].endswith(" Incident inc_1, key _ci__prod_1.")


async def test_without_slack_the_fall_back_promises_no_buttons() -> None:
    async with on_call(token=None) as loop:
        without = NotifyStage(loop.config, None, Rulebook(), loop.clock, loop.counts)
        loop.bus.restart(loop.notify, without)
        await loop.tell()
        (said,) = loop.slack.webhook
        assert "Slack is not set up: there are no buttons." in said["text"]


async def test_a_fall_back_that_fails_is_tried_again() -> None:
    async with on_call() as loop:
        loop.slack.down = True
        loop.slack.faults = [("webhook", "500"), ("webhook", "500")]
        await loop.tell()
        assert loop.slack.webhook == []
        await loop.wait(20, step=2)
        assert len(loop.slack.webhook) == 1


async def test_a_fall_back_that_worked_again_is_soon_tried_again() -> None:
    """How long it was down once does not lengthen the next wait."""
    async with on_call() as loop:
        loop.slack.down = True
        loop.slack.faults = [("webhook", "500")] * 5
        await loop.tell()
        await loop.wait(80, step=2)
        assert len(loop.slack.webhook) == 1
        loop.slack.faults = [("webhook", "500")]
        await loop.tell(incident_id="inc_2")
        await loop.wait(4, step=2)
        assert len(loop.slack.webhook) == 2


async def test_a_fall_back_that_is_sent_twice_has_one_idempotency_key() -> None:
    """Whoever dies between sending and recording sends again; a receiver can tell."""
    died: list[str] = []

    def fault(point: str) -> None:
        if point == "commit" and loop.slack.webhook and not died:
            died.append(point)
            raise RuntimeError(point)

    async with on_call(fault=fault) as loop:
        loop.slack.down = True
        with pytest.raises(RuntimeError):
            await loop.tell()
        loop.restart()
        await loop.wait(20, step=2)
        assert loop.slack.webhook_keys == ['"inc_1"', '"inc_1"']


async def test_a_slack_that_is_down_for_a_day_is_tried_each_minute() -> None:
    async with on_call(fallback_webhook=None) as loop:
        loop.slack.down = True
        await loop.tell()
        await loop.wait(1_100 * 60, step=60)
        assert len(loop.slack.calls) > 1_090
        loop.slack.down = False
        await loop.wait(60, step=60)
        assert len(loop.slack.pages) == 1


async def test_without_a_channel_the_fall_back_is_used() -> None:
    async with on_call(channel="") as loop:
        await loop.tell()
        await loop.wait(5)
        assert len(loop.slack.webhook) == 1


async def test_a_message_is_kept_up_to_date_where_it_is_when_its_channel_is_no_longer_set() -> None:
    async with on_call() as loop:
        await loop.tell()
        slack = loop.config.slack.model_copy(update={"channel": "", "fallback_webhook": None})
        loop.config = loop.config.model_copy(update={"slack": slack})
        loop.restart()
        await loop.tell(revision=2, spend_usd=500.0)
        assert loop.page.channel == CHANNEL
        assert "Spent so far: $500.00" in shown(loop)


async def test_the_policy_acts_while_slack_is_down() -> None:
    async with on_call(AT_ONCE) as loop:
        loop.slack.down = True
        await loop.tell()
        assert loop.gateway.revoked == {KEY_ID}


async def test_blocks_that_slack_refuses_are_said_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(arguments: dict[str, object]) -> str | None:
        return "invalid_blocks" if arguments.get("blocks") else None

    monkeypatch.setattr("pipeline.demo.slack_conversations.refuses", refuses)
    async with on_call() as loop:
        await loop.tell()
        assert "looks leaked" in loop.page.body["text"]
        await loop.tell(revision=2, status="resolved")
        assert "Resolved" in loop.page.body["text"]


async def test_a_message_that_a_person_removed_is_not_posted_again() -> None:
    async with on_call() as loop:
        await loop.tell()
        loop.slack.messages.clear()
        await loop.tell(revision=2)
        asked = len(loop.slack.calls)
        await loop.tell(revision=3)
        await loop.wait(10)
        assert loop.slack.messages == []
        assert loop.slack.calls[asked:] == [], "what is gone is not asked for again"


async def test_a_slack_without_threads_still_gets_its_page() -> None:
    async with on_call() as loop:
        loop.slack.faults = []
        original = loop.slack.conversations.post

        def post(arguments: dict[str, object]) -> dict[str, object]:
            if "thread_ts" in arguments:
                return {"ok": False, "error": "restricted_action_thread_locked"}
            return original(arguments)

        loop.slack.conversations.post = post  # type: ignore[method-assign]  # a Slack with locked threads
        await loop.tell()
        await loop.tell(incident_id="inc_2")
        assert len(loop.slack.pages) == 2
        asked = len(loop.slack.calls)
        await loop.tell(revision=2, spend_usd=500.0)
        await loop.wait(10)
        assert loop.slack.calls[asked:] == ["chat.update"], "nor is evidence tried again"
        loop.gateway.faults = ["404"]
        await loop.click("revoke", page=loop.slack.pages[0])
        assert "NOT revoked (failed)" in loop.slack.pages[2].body["text"]


async def test_no_secret_is_logged_or_posted(caplog: pytest.LogCaptureFixture) -> None:
    async with on_call() as loop:
        with caplog.at_level(logging.INFO, "pipeline"):
            loop.slack.faults = [("*", "500"), ("*", "cut"), ("webhook", "500")]
            loop.slack.token = "xoxb-something-else"
            await loop.tell(team="sk-planted-0123456789")
            await loop.wait(20, step=2)
        seen = caplog.text + repr(loop.slack.messages) + repr(loop.slack.webhook)
        for secret in ("xoxb-fake-token", "/webhook", "sk-planted", loop.slack.signing_secret):
            assert secret not in seen
