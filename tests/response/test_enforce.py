"""An action ends in one result, whatever the gateway and the clock do."""

import logging

import pytest

from pipeline.demo.block_kit import texts
from pipeline.demo.fake_gateway import FakeGateway
from pipeline.demo.fake_gateway import Fault as GatewayFault
from pipeline.journal import remembered
from pipeline.response.enforce import EnforceStage
from pipeline.response.policy import Brakes, Policy, Rule
from schemas.action import Action
from schemas.redaction import public_key_id
from schemas.topics import ACTIONS, KEYS, VERDICTS
from tests.support.crashing_bus import CrashingBus
from tests.support.oncall import ADMIN_KEY, OnCall, on_call
from tests.support.samples import KEY_ID, WEBHOOK_SECRET, action, verdict

RULES = (Rule(name="r", then="revoke"),)
POLICY = Policy(brakes=Brakes(revocations_per_hour_max=2, fleet_share_per_day_max=1.0), rules=RULES)


async def ask(loop: OnCall, **changes: object) -> Action:
    made = action(**({"requested_at": loop.clock()} | changes))
    await loop.bus.publish(ACTIONS, made, key=made.key_id)
    await loop.bus.run_until_quiet()
    return made


async def statuses(loop: OnCall, seconds: float = 0, step: float = 1.0) -> list[str]:
    await loop.wait(seconds, step)
    return [each.status for each in loop.results]


async def test_one_result_however_often_an_action_comes() -> None:
    async with on_call() as loop:
        for _ in range(3):
            await ask(loop)
        loop.restart()
        await ask(loop)
        (result,) = loop.results
        assert (result.status, result.attempt, result.http_status) == ("verified", 1, 200)
        assert (result.incident_id, result.key_id, result.kind) == ("inc_1", KEY_ID, "revoke")
        assert len(loop.gateway.received) == 1


@pytest.mark.parametrize("fault", ["500", "503", "time-out", "cut", "cut-before"])
async def test_retries_carry_the_same_id_and_act_once(fault: GatewayFault) -> None:
    async with on_call() as loop:
        loop.gateway.faults = [fault, fault]
        await ask(loop)
        assert loop.results == []
        assert await statuses(loop, 12) == ["verified"]
        assert loop.gateway.effective == {"act_1": 1}
        assert {message_id for message_id, _ in loop.gateway.received} == {"act_1"}
        assert loop.results[0].attempt == 3


async def test_who_asks_with_a_clock_ahead_does_not_wait_for_it() -> None:
    async with on_call() as loop:
        await ask(loop, requested_at=loop.clock() + 500)
        assert [each.status for each in loop.results] == ["verified"]


async def test_a_clock_that_goes_back_lengthens_no_pause() -> None:
    async with on_call() as loop:
        loop.gateway.faults = ["503"]
        await ask(loop)
        loop.clock.at -= 60
        assert await statuses(loop, 6) == ["verified"]


@pytest.mark.parametrize("gateway", ["edge", "proxy"])
async def test_a_gateway_is_not_asked_before_it_wants_to_be(gateway: str) -> None:
    async with on_call() as loop:
        loop.gateway.faults = ["429"]
        await ask(loop, gateway=gateway)
        assert await statuses(loop, 38) == []
        assert loop.gateway.received == []
        assert await statuses(loop, 5) == ["verified"]


async def test_attempts_are_bounded() -> None:
    async with on_call() as loop:
        loop.gateway.faults = ["503"] * 100
        await ask(loop)
        assert await statuses(loop, 60) == ["failed"]
        assert "4 attempts" in (loop.results[0].detail or "")
        assert len(loop.gateway.faults) == 96


async def test_after_the_last_attempt_a_probe_may_still_find_the_key_dead() -> None:
    async with on_call() as loop:
        loop.gateway.faults = ["cut"] * 4
        await ask(loop)
        assert await statuses(loop, 60) == ["verified"]


async def test_a_gateway_that_refuses_is_not_asked_again() -> None:
    async with on_call() as loop:
        loop.gateway.faults = ["404"]
        await ask(loop)
        assert await statuses(loop, 30) == ["failed"]
        assert loop.results[0].http_status == 404
        assert loop.gateway.received == []


@pytest.mark.parametrize("kind", ["revoke", "restore"])
@pytest.mark.parametrize("gateway", ["edge", "proxy"])
async def test_what_is_so_already_is_not_called_failed(gateway: str, kind: str) -> None:
    async with on_call() as loop:
        if kind == "revoke":
            loop.gateway.revoked = {KEY_ID, KEY_ID.removeprefix("sha256:")}
        loop.gateway.faults = ["404"]
        await ask(loop, gateway=gateway, kind=kind)
        (result,) = loop.results
        assert (result.status, result.attempt, result.http_status) == ("verified", 1, 404)
        assert (result.detail or "").endswith(", but a probe finds it done")


async def test_after_an_hour_without_an_answer_a_probe_may_find_the_key_dead() -> None:
    async with on_call() as loop:
        loop.gateway.faults = ["cut"]
        await ask(loop, gateway="proxy")
        await loop.bus.tick(loop.clock.advance(4000))
        assert [each.status for each in loop.results] == ["verified"]
        assert len(loop.gateway.received) == 1


@pytest.mark.parametrize(("obeys", "outcome"), [(True, "verified"), (False, "failed")])
async def test_what_was_accepted_is_probed_however_late(obeys: bool, outcome: str) -> None:  # noqa: FBT001  # a table
    async with on_call() as loop:
        loop.gateway.obeys = obeys
        loop.gateway.probe_faults = ["500"]
        await ask(loop, gateway="proxy")
        await loop.bus.tick(loop.clock.advance(4000))
        assert await statuses(loop, 30) == [outcome]
        assert "accepted" in (loop.results[0].detail or "") or obeys


async def test_a_gateway_that_only_says_yes_has_failed() -> None:
    async with on_call() as loop:
        loop.gateway.obeys = False
        await ask(loop)
        assert await statuses(loop, 30) == ["failed"]
        assert "nothing changed" in (loop.results[0].detail or "")


@pytest.mark.parametrize(
    ("gateway", "fault"),
    [("edge", "500"), ("edge", "time-out"), ("edge", "cut"), ("proxy", "500")],
)
async def test_a_probe_that_fails_is_asked_again(gateway: str, fault: GatewayFault) -> None:
    async with on_call() as loop:
        loop.gateway.probe_faults = [fault]
        await ask(loop, gateway=gateway)
        assert loop.results == []
        assert await statuses(loop, 3) == ["verified"]
        assert len(loop.gateway.received) == 1


async def test_probes_that_never_answer_leave_it_done() -> None:
    async with on_call() as loop:
        loop.gateway.probe_faults = ["500"] * 100
        await ask(loop)
        assert await statuses(loop, 30) == ["done"]
        assert "no probe could confirm it" in (loop.results[0].detail or "")
        assert len(loop.gateway.probe_faults) == 95


async def test_a_probe_that_has_seen_the_key_work_is_not_outdone_by_one_that_fails() -> None:
    async with on_call() as loop:
        loop.gateway.obeys = False
        await ask(loop)
        loop.gateway.probe_faults = ["500"] * 100
        loop.restart()
        assert await statuses(loop, 30) == ["failed"]


async def test_without_a_probe_it_is_done_and_not_verified() -> None:
    async with on_call() as loop:
        edge = loop.config.response.gateways[0].model_copy(update={"probe_url": None})
        response = loop.config.response.model_copy(update={"gateways": [edge]})
        config = loop.config.model_copy(update={"response": response})
        stage = EnforceStage.from_config(config, loop.clock, loop.counts)
        loop.bus = CrashingBus([stage], loop.clock)
        await ask(loop)
        assert [each.status for each in loop.results] == ["done"]


async def test_a_slow_gateway_does_not_hold_up_another() -> None:
    async with on_call() as loop:
        loop.gateway.faults = ["503"]
        await ask(loop, action_id="act_slow")
        await ask(loop, action_id="act_2")
        assert len(loop.gateway.received) == 0
        await ask(loop, action_id="act_other", gateway="proxy")
        assert [each.action_id for each in loop.results] == ["act_other"]
        assert sorted(await statuses(loop, 10)) == ["verified"] * 3


async def test_not_before_is_kept_across_a_restart() -> None:
    async with on_call() as loop:
        await ask(loop, not_before=loop.clock() + 60)
        loop.restart()
        assert await statuses(loop, 55) == []
        assert await statuses(loop, 10) == ["verified"]


async def test_what_could_not_be_sent_in_time_expires() -> None:
    async with on_call() as loop:
        await ask(loop, requested_at=loop.clock() - 4000)
        assert await statuses(loop) == ["expired"]
        assert loop.gateway.received == []


@pytest.mark.parametrize("said", ["benign", "expected", "snooze"])
async def test_a_verdict_cancels_what_a_policy_planned(said: str) -> None:
    async with on_call(POLICY) as loop:
        soon = loop.clock() + 60
        await ask(loop, requested_by="policy:r", not_before=soon)
        await loop.bus.publish(VERDICTS, verdict(verdict=said, at=loop.clock() + 1))
        assert await statuses(loop, 90, 5) == ["cancelled"]
        assert loop.gateway.received == []


@pytest.mark.parametrize("said", ["benign", "expected", "snooze"])
async def test_who_acknowledges_afterwards_does_not_bring_it_back(said: str) -> None:
    """Also if nobody had the time to cancel it in between."""
    async with on_call(POLICY) as loop:
        await ask(loop, requested_by="policy:r", not_before=loop.clock() + 60)
        for number, word in enumerate((said, "acknowledge"), 1):
            await loop.bus.publish(VERDICTS, verdict(verdict=word, at=loop.clock() + number))
        assert await statuses(loop, 90, 5) == ["cancelled"]


@pytest.mark.parametrize("said", ["leak", "acknowledge"])
async def test_other_verdicts_do_not(said: str) -> None:
    async with on_call(POLICY) as loop:
        await ask(loop, requested_by="policy:r", not_before=loop.clock() + 10)
        await loop.bus.publish(VERDICTS, verdict(verdict=said, at=loop.clock() + 1))
        assert await statuses(loop, 20, 5) == ["verified"]


async def test_a_persons_action_is_not_cancelled_by_an_earlier_word() -> None:
    async with on_call() as loop:
        await loop.bus.publish(VERDICTS, verdict(at=loop.clock() + 5))
        await ask(loop)
        assert await statuses(loop) == ["verified"]


class CrashError(Exception):
    pass


class CrashAfterSending:
    """Crashes once, at the first commit after the gateway acted."""

    gateway: FakeGateway | None = None
    crashed = False

    def __call__(self, point: str) -> None:
        if self.gateway is not None and self.gateway.received and not self.crashed:
            self.crashed = True
            raise CrashError(point)


async def test_what_may_have_been_sent_is_never_called_cancelled() -> None:
    crash = CrashAfterSending()
    async with on_call(POLICY, crash) as loop:
        crash.gateway = loop.gateway
        await ask(loop, requested_by="policy:r", not_before=loop.clock() + 5)
        with pytest.raises(CrashError):
            await loop.wait(10)
        loop.restart()
        await loop.bus.publish(VERDICTS, verdict(at=loop.clock()))
        await loop.bus.run_until_quiet()
        assert await statuses(loop, 5) == ["verified"]
        assert loop.results[0].attempt == 2
        assert loop.gateway.effective == {"act_1": 1}


async def test_machines_leave_protected_keys_alone_and_people_need_not() -> None:
    async with on_call(POLICY) as loop:
        await loop.register(protected=True)
        await ask(loop, requested_by="policy:r")
        await ask(loop, action_id="act_2", requested_by="console:ana")
        assert await statuses(loop) == ["refused", "verified"]


async def test_a_registry_that_names_the_raw_key_protects_it_all_the_same() -> None:
    secret = "sk-proj-0123456789abcdefghij"
    async with on_call(POLICY) as loop:
        await loop.register(key_id=secret, protected=True)
        await ask(loop, key_id=public_key_id(secret), requested_by="policy:r")
        assert await statuses(loop) == ["refused"]
        journal = loop.bus.journal(loop.enforce)
        held = b"".join(journal.get(name) or b"" for name in journal.keys())  # noqa: SIM118
        assert secret.encode() not in held


async def test_what_left_the_registry_is_protected_no_more() -> None:
    secret = "sk-proj-0123456789abcdefghij"
    async with on_call(POLICY) as loop:
        await loop.register(key_id=secret, protected=True)
        await loop.bus.publish(KEYS, b"", key=secret)
        await ask(loop, key_id=public_key_id(secret), requested_by="policy:r")
        assert await statuses(loop) == ["verified"]


async def test_records_that_make_no_sense_are_skipped() -> None:
    async with on_call() as loop:
        for topic in loop.enforce.reads:
            for value in (b"{", b'{"a":' * 50_000):
                await loop.bus.publish(topic, value)
        await ask(loop)
        assert await statuses(loop) == ["verified"]


async def test_without_a_policy_a_machine_is_refused() -> None:
    async with on_call() as loop:
        await ask(loop, requested_by="policy:r")
        assert await statuses(loop) == ["refused"]


@pytest.mark.parametrize("rules", [(), (Rule(name="r", then="ask"),)])
async def test_what_a_rule_planned_that_is_gone_by_now_is_refused(rules: tuple[Rule, ...]) -> None:
    async with on_call(POLICY) as loop:
        await ask(loop, requested_by="policy:r", not_before=loop.clock() + 60)
        loop.policy = POLICY.model_copy(update={"rules": rules})
        loop.restart()
        assert await statuses(loop, 90, 5) == ["refused"]
        assert loop.gateway.received == []


async def test_brakes_hold_machines_and_not_people() -> None:
    async with on_call(POLICY) as loop:
        for number in range(5):
            await loop.register(key_id=f"k{number}", alias=None)
            by = "slack:U1" if number == 4 else "policy:r"
            await ask(loop, action_id=f"act_{number}", key_id=f"k{number}", requested_by=by)
        assert await statuses(loop) == ["verified"] * 2 + ["refused"] * 2 + ["verified"]


async def test_a_dry_run_sends_nothing() -> None:
    policy = Policy(brakes=Brakes(dry_run=True), rules=RULES)
    async with on_call(policy) as loop:
        await ask(loop, requested_by="policy:r", dry_run=True)
        await ask(loop, action_id="act_2", dry_run=True)
        await ask(loop, action_id="act_3")
        assert await statuses(loop) == ["done", "done", "verified"]
        assert [message_id for message_id, _ in loop.gateway.received] == ["act_3"]


async def test_a_dry_run_keeps_the_brakes_of_both_stages() -> None:
    brakes = Brakes(dry_run=True, revocations_per_hour_max=2, fleet_share_per_day_max=1.0)
    policy = Policy(brakes=brakes, rules=RULES)
    async with on_call(policy) as loop:
        for number in range(4):
            await loop.register(key_id=f"k{number}", alias=None)
        for number in range(4):
            await loop.tell(incident_id=f"inc_{number}", key_id=f"k{number}")
        assert [each.key_id for each in loop.published(ACTIONS, Action)] == ["k0", "k1"]
        await ask(loop, requested_by="policy:r", dry_run=True)
        assert await statuses(loop) == ["done", "done", "refused"]


async def test_what_was_planned_before_a_dry_run_is_refused_and_shown_as_not_done() -> None:
    planned = Policy(rules=(Rule(name="unless-held", then="revoke", delay_seconds=300),))
    async with on_call(planned) as loop:
        await loop.register()
        await loop.tell()
        loop.policy = planned.model_copy(update={"brakes": Brakes(dry_run=True)})
        loop.restart()
        assert await statuses(loop, 320, 10) == ["refused"]
        assert loop.gateway.received == []
        shown = " ".join(texts(loop.page.body["attachments"]))
        assert "NOT revoked (refused)" in shown
        assert "the policy is a dry run by now" in shown


async def test_unknown_gateways_and_impossible_kinds_are_refused() -> None:
    async with on_call() as loop:
        await ask(loop, gateway="nowhere")
        await ask(loop, action_id="act_2", gateway="proxy", kind="cap")
        assert await statuses(loop) == ["refused", "refused"]


async def test_old_outcomes_are_forgotten() -> None:
    async with on_call() as loop:
        await ask(loop)
        await loop.bus.publish(VERDICTS, verdict(at=loop.clock()))
        await loop.bus.run_until_quiet()
        for days, left in ((29, ["action/act_1", "verdict/inc_1"]), (2, [])):
            await loop.bus.tick(loop.clock.advance(days * 86_400))
            assert remembered("", loop.bus.journal(loop.enforce)) == left


async def test_no_secret_in_logs_results_or_errors(caplog: pytest.LogCaptureFixture) -> None:
    async with on_call() as loop:
        with caplog.at_level(logging.INFO, "pipeline"):
            loop.gateway.faults = ["500", "cut", "404"]
            await ask(loop)
            await ask(loop, action_id="act_2", gateway="proxy")
            await loop.wait(30)
        seen = caplog.text + repr(loop.results) + repr(loop.config) + repr(loop.enforce)
        assert caplog.text
        for secret in (WEBHOOK_SECRET, WEBHOOK_SECRET[6:], ADMIN_KEY):
            assert secret not in seen
