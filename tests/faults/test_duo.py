"""What people said reaches a machine before it acts, whoever was away, and whatever was lost."""

import pytest
from msgspec.structs import replace

from pipeline.response.gateway import Sent
from schemas.action import Action
from schemas.topics import (
    ACTIONS,
    CLICKS,
    ENFORCE_STATE,
    INCIDENTS,
    KEYS,
    NOTIFY_STATE,
    RECONCILE_STATE,
    USAGE_EVENTS,
    VERDICTS,
    Topic,
)
from tests.faults.duo import AT_ONCE, DELAYED, Duo
from tests.faults.world import CHANNEL, SCENARIOS, TICKETS, patched
from tests.support.samples import KEY_ID, action, incident, key_record, verdict

DAY = 86_400.0


@pytest.fixture(autouse=True)
def _in_memory() -> object:
    with patched(SCENARIOS[0]):
        yield


async def planned(**changes: object) -> Duo:
    """A key whose revocation the policy has planned, and both stages know it."""
    duo = Duo(DELAYED)
    await duo.start(duo.notify, duo.enforce)
    duo.put(KEYS, key_record(**changes), KEY_ID)
    duo.put(INCIDENTS, incident(detected_at=duo.clock))
    await duo.give(duo.notify, KEYS, INCIDENTS)
    await duo.give(duo.enforce, KEYS, ACTIONS)
    assert "Will be revoked at" in duo.shown
    duo.clock += 60
    return duo


@pytest.mark.parametrize("order", [(VERDICTS, CLICKS), (CLICKS, VERDICTS)])
@pytest.mark.parametrize("point", ["commit", "sent"])
async def test_a_click_that_was_cut_short_holds_when_it_comes_again(
    order: tuple[Topic, ...], point: str
) -> None:
    duo = await planned()
    duo.click("not_a_leak")
    duo.killed_at = ("notify", point)
    await duo.give(duo.notify, CLICKS)
    duo.clock += 10
    await duo.start(duo.notify)
    await duo.give(duo.notify, *order)
    assert "called off" in duo.shown
    await duo.pass_time(600)
    assert (duo.outcomes, duo.gateway.revoked) == (["cancelled"], set())


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("ticks_first", [True, False])
async def test_what_was_said_while_enforce_was_away_is_heard_before_it_acts(
    *, known: bool, ticks_first: bool
) -> None:
    duo = await planned() if known else Duo(DELAYED)
    if not known:
        await duo.start(duo.notify)
        duo.put(INCIDENTS, incident(detected_at=duo.clock))
        await duo.give(duo.notify)
    duo.click("not_a_leak")
    await duo.give(duo.notify, CLICKS)
    assert "called off" in duo.shown
    duo.clock += 400
    await duo.start(duo.enforce)
    if ticks_first:
        await duo.tick(duo.enforce)
    await duo.give(duo.enforce, ACTIONS, VERDICTS)
    await duo.tick(duo.enforce)
    assert (duo.outcomes, duo.gateway.revoked) == (["cancelled"], set())


async def test_an_owner_who_protects_a_key_while_enforce_is_away_is_heard() -> None:
    duo = await planned()
    duo.put(KEYS, key_record(protected=True), KEY_ID)
    duo.clock += 400
    await duo.start(duo.enforce)
    await duo.tick(duo.enforce)
    assert (duo.outcomes, duo.gateway.revoked) == (["refused"], set())


async def test_what_is_said_while_a_slow_gateway_is_called_is_heard_before_the_next() -> None:
    duo = await planned()
    other = action(action_id="a", incident_id="inc_0", requested_by="policy:soon")
    duo.put(ACTIONS, replace(other, requested_at=duo.clock, not_before=duo.clock + 300))
    await duo.give(duo.enforce, ACTIONS)
    act = duo.gateway.act
    stamps = []

    async def slow(action: Action, now: float) -> Sent:
        stamps.append(duo.clock - now)
        duo.put(VERDICTS, verdict(by="console:ana", at=duo.clock))
        duo.clock += 10
        return await act(action, now)

    duo.gateway.act = slow  # type: ignore[method-assign]
    duo.clock += 400
    await duo.tick(duo.enforce)
    assert sorted(duo.outcomes) == ["cancelled", "verified"]
    assert stamps == [0.0]


async def test_every_call_is_stamped_with_its_own_time() -> None:
    duo = Duo(AT_ONCE)
    await duo.start(duo.enforce)
    for number in range(5):
        due = {"requested_at": duo.clock, "not_before": duo.clock + 60}
        duo.put(ACTIONS, action(action_id=f"a{number}", **due))
    await duo.give(duo.enforce, ACTIONS)
    act, stamps = duo.gateway.act, []

    async def slow(action: Action, now: float) -> Sent:
        stamps.append(duo.clock - now)
        duo.clock += 100
        return await act(action, now)

    duo.gateway.act = slow  # type: ignore[method-assign]
    duo.clock += 61
    await duo.tick(duo.enforce)
    assert stamps == [0.0] * 5


async def test_a_machine_waits_for_an_open_transaction_of_who_speaks_and_people_do_not() -> None:
    duo = await planned()
    place = (VERDICTS.name, 0)
    epoch = duo.broker.take_id("tool")
    transaction = duo.broker.begin("tool", epoch)
    duo.broker.append(place, b"{}", transaction=transaction)
    duo.put(VERDICTS, verdict(by="console:ana", at=duo.clock))  # nobody can read it yet
    duo.clock += 400
    await duo.tick(duo.enforce)
    assert duo.outcomes == []
    duo.put(ACTIONS, action(action_id="a", requested_at=duo.clock))
    await duo.give(duo.enforce, ACTIONS)
    assert duo.outcomes == ["verified"]
    duo.broker.abort("tool", epoch)
    await duo.tick(duo.enforce)
    assert duo.outcomes == ["verified", "cancelled"]


@pytest.mark.parametrize("button", ["not_a_leak", "snooze"])
@pytest.mark.parametrize("seconds", [90.0, 6 * 3600.0])
async def test_a_clock_that_is_set_back_holds_all_the_same(button: str, seconds: float) -> None:
    duo = await planned()
    duo.clock -= seconds
    duo.click(button)  # type: ignore[arg-type]
    await duo.give(duo.notify, CLICKS)
    assert "called off" in duo.shown
    duo.clock += seconds
    await duo.pass_time(600)
    assert (duo.outcomes, duo.gateway.revoked) == (["cancelled"], set())


@pytest.mark.parametrize("order", [(VERDICTS, INCIDENTS), (INCIDENTS, VERDICTS)])
@pytest.mark.parametrize("said", ["benign", "expected", "snooze"])
async def test_what_a_tool_said_before_notify_knew_of_it_holds(
    order: tuple[Topic, ...], said: str
) -> None:
    duo = Duo(AT_ONCE)
    await duo.start(duo.enforce)
    duo.put(INCIDENTS, incident(detected_at=duo.clock))
    duo.clock += 60
    until = duo.clock + 3600 if said == "snooze" else None
    duo.put(VERDICTS, verdict(verdict=said, until=until, by="console:ana", at=duo.clock))
    duo.clock += 60
    await duo.start(duo.notify)
    await duo.give(duo.notify, *order)
    await duo.give(duo.enforce, ACTIONS, VERDICTS)
    assert duo.gateway.revoked == set()
    await duo.pass_time(60)
    assert ("Snoozed until" if said == "snooze" else "Judged not a leak by ana") in duo.shown
    told = duo.broker.committed(USAGE_EVENTS.name)
    assert len(told) == 1, "detection hears of it once"


async def test_a_snooze_that_is_over_holds_nothing_that_is_planned_afterwards() -> None:
    duo = await planned()
    duo.put(VERDICTS, verdict(verdict="snooze", at=duo.clock - 3600, until=duo.clock - 60.5))
    await duo.pass_time(600)
    assert duo.outcomes == ["verified"]


LOST: list[tuple[Topic, ...]] = [
    (NOTIFY_STATE,),
    (ENFORCE_STATE,),
    (NOTIFY_STATE, ENFORCE_STATE),
    (NOTIFY_STATE, ENFORCE_STATE, RECONCILE_STATE),
]


@pytest.mark.parametrize("lost", LOST)
async def test_the_registry_outlives_the_states(lost: tuple[Topic, ...]) -> None:
    duo = Duo(AT_ONCE)
    every = (duo.reconcile, duo.notify, duo.enforce)
    await duo.start(*every)
    duo.put(KEYS, key_record(protected=True, gateway="proxy"), KEY_ID)
    for group in every:
        await duo.give(group)
    for topic in lost:
        duo.lose(topic)
    await duo.start(*every)
    for group in every:
        await duo.tick(group)
    duo.put(INCIDENTS, incident(detected_at=duo.clock))
    await duo.give(duo.notify, INCIDENTS)
    assert "Key prod-search looks leaked. Open" in duo.shown
    await duo.give(duo.enforce, ACTIONS)
    assert duo.gateway.revoked == set()
    duo.click("revoke")
    await duo.give(duo.notify, CLICKS)
    assert [each.gateway for each in duo.actions] == ["proxy"]
    handed_on = 2 if RECONCILE_STATE in lost else 1
    told = [
        r
        for r in duo.broker.committed(USAGE_EVENTS.name)
        if dict(r.headers).get("leakline-record") == b"key"
    ]
    assert len(told) == handed_on


async def test_what_was_said_outlives_both_states() -> None:
    duo = Duo(AT_ONCE)
    await duo.start(duo.notify, duo.enforce)
    duo.put(VERDICTS, verdict(by="console:ana", at=duo.clock))
    for group in (duo.notify, duo.enforce):
        await duo.give(group)
    for topic in (NOTIFY_STATE, ENFORCE_STATE):
        duo.lose(topic)
    await duo.start(duo.notify, duo.enforce)
    duo.clock += 60
    duo.put(INCIDENTS, incident(detected_at=duo.clock))
    await duo.pass_time(60)
    assert (duo.outcomes, duo.gateway.revoked) == (["cancelled"], set())


async def test_after_notify_forgot_all_a_click_is_answered_and_the_next_one_revokes() -> None:
    duo = await planned()
    duo.click("snooze")
    await duo.pass_time(30)
    assert duo.outcomes == ["cancelled"]
    duo.lose(NOTIFY_STATE)
    duo.policy = None
    await duo.start(duo.notify)
    duo.put(INCIDENTS, incident(revision=2, detected_at=duo.clock))
    await duo.pass_time(60)
    duo.click("revoke")
    await duo.pass_time(60)
    assert "The planned revocation was called off" in duo.shown
    duo.click("revoke")
    await duo.pass_time(60)
    assert duo.outcomes == ["cancelled", "cancelled", "verified"]
    assert "Revoked and verified" in duo.shown


async def test_an_action_that_comes_again_long_after_its_outcome_has_no_other() -> None:
    duo = Duo(AT_ONCE)
    await duo.start(duo.notify, duo.enforce)
    duo.put(INCIDENTS, incident(detected_at=duo.clock))
    await duo.pass_time(60)
    assert duo.outcomes == ["verified"]
    duo.clock += 31 * DAY
    await duo.tick(duo.enforce)  # forgets the outcome
    duo.broker.offsets = {at: n for at, n in duo.broker.offsets.items() if "enforce" not in at[0]}
    await duo.start(duo.enforce)
    await duo.pass_time(60)
    assert duo.outcomes == ["verified"]
    assert "Revoked and verified" in duo.shown


async def test_what_a_click_asked_for_can_be_read_while_slack_is_slow() -> None:
    duo = Duo(None)
    await duo.start(duo.notify)
    duo.put(INCIDENTS, incident(detected_at=duo.clock))
    await duo.give(duo.notify)
    found = []
    update = duo.slack.update

    async def slow(*args: object) -> None:
        found.append((len(duo.actions), len(duo.broker.committed(VERDICTS.name))))
        assert not duo.broker.end((USAGE_EVENTS.name, 0), committed=False) - duo.broker.end(
            (USAGE_EVENTS.name, 0), committed=True
        ), "detection reads on"
        await update(*args)  # type: ignore[arg-type]

    duo.slack.update = slow  # type: ignore[method-assign, assignment]
    duo.click("revoke")
    await duo.give(duo.notify)
    assert found == [(1, 1)]


async def test_the_store_keeps_only_what_was_committed_to() -> None:
    duo = Duo(AT_ONCE)
    await duo.start(duo.notify, duo.sink)
    duo.put(INCIDENTS, incident(detected_at=duo.clock))
    duo.killed_at = ("notify", "commit")
    await duo.give(duo.notify, INCIDENTS)
    await duo.give(duo.sink, ACTIONS)
    duo.policy = None
    await duo.start(duo.notify)
    await duo.give(duo.notify, INCIDENTS)
    duo.click("snooze")
    duo.killed_at = ("notify", "commit")
    await duo.give(duo.notify, CLICKS)
    duo.clock += 20
    await duo.start(duo.notify)
    await duo.give(duo.notify, CLICKS, VERDICTS)
    await duo.give(duo.sink)
    assert duo.store.rows("actions") == []
    assert [each.verdict for each in duo.store.rows("verdicts")] == ["snooze"]


async def test_a_click_on_a_notice_that_was_cut_short_is_said_of_each_key() -> None:
    with patched(next(each for each in SCENARIOS if each.storm)):
        duo = Duo(None)
        await duo.start(duo.notify)
        for number in range(4):
            about = {"incident_id": f"inc_{number}", "key_id": f"k{number}"}
            duo.put(INCIDENTS, incident(detected_at=duo.clock, **about))
            await duo.give(duo.notify)
        gathered = [each.card.incident_id for each in duo.slack.pages][-1]
        assert gathered.startswith("fleet-")
        duo.click("not_a_leak")
        duo.killed_at = ("notify", "commit")
        await duo.give(duo.notify, CLICKS)
        duo.clock += 10
        await duo.start(duo.notify)
        await duo.give(duo.notify, VERDICTS, CLICKS)
        await duo.tick(duo.notify)
        said = [each.key for each in duo.broker.committed(VERDICTS.name)]
        told = [each.key for each in duo.broker.committed(USAGE_EVENTS.name)]
        assert said == [b"inc_1", b"inc_2", b"inc_3"]
        assert told == [b"k1", b"k2", b"k3"], "detection hears of each once"
        assert "Judged not a leak by U1" in duo.shown


async def test_what_a_rebuild_finds_urgent_is_paged_though_it_has_fewer_revisions() -> None:
    duo = Duo(None)
    await duo.start(duo.notify)
    for revision in (1, 2, 3, 4):
        duo.put(INCIDENTS, incident(revision=revision, severity="ticket", detected_at=duo.clock))
    await duo.give(duo.notify, INCIDENTS)
    (ticket,) = duo.slack.pages
    for revision, severity in ((1, "ticket"), (2, "page")):  # by other rules, in the same log
        duo.put(INCIDENTS, incident(revision=revision, severity=severity, detected_at=duo.clock))
    await duo.give(duo.notify, INCIDENTS)
    assert ticket.channel == TICKETS
    assert [post.channel for post in duo.slack.pages] == [CHANNEL]
