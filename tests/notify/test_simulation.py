"""Both stages crash at random commit points while Slack and the gateway misbehave.

Every seed is a run of its own: whatever happens, people see one message that shows the truth, the
gateway acts once, and there is one result for each action.
"""

import random
from collections import Counter

import pytest

from pipeline.demo.fake_gateway import Fault as GatewayFault
from pipeline.demo.fake_slack import Fault as SlackFault
from pipeline.notify import page as pages
from pipeline.response.policy import Policy
from schemas.action import Action
from schemas.topics import ACTION_RESULTS, ACTIONS, VERDICTS
from schemas.verdict import Verdict
from tests.notify.test_stage import AT_ONCE, UNLESS_HELD, moved, shown
from tests.support.oncall import CHANNEL, OnCall, on_call
from tests.support.samples import signal

SEEDS_PER_TEST = 25
SLACK_FAULTS: tuple[SlackFault, ...] = ("500", "503", "internal_error", "cut", "cut-before", "429")
GATEWAY_FAULTS: tuple[GatewayFault, ...] = ("500", "503", "cut", "cut-before")
METHODS = ("chat.postMessage", "chat.update", "conversations.history", "conversations.replies")
POLICIES: tuple[Policy | None, ...] = (None, AT_ONCE, UNLESS_HELD)


class CrashError(Exception):
    """The process dies here."""


class Storm:
    """Crashes at random points, until it is over."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # a simulation, no secret
        self.raging = True
        self.crashes = 0

    def __call__(self, point: str) -> None:
        if self.raging and self.crashes < 12 and self.random.random() < 0.12:
            self.crashes += 1
            raise CrashError(point)


async def survive(loop: OnCall, seconds: float = 1) -> None:
    """Run until quiet through as many crashes as come."""
    while True:
        try:
            await loop.bus.tick(loop.clock.advance(seconds))
        except CrashError:
            loop.restart()
        else:
            return


async def tell(loop: OnCall, revision: int, **changes: object) -> None:
    try:
        await loop.tell(revision=revision, spend_usd=100.0 * revision, **changes)
    except CrashError:
        loop.restart()
    await survive(loop)


async def press(loop: OnCall, storm: Storm, button: str) -> None:
    """A person presses a button where it is, and Slack may tell us twice."""
    for _ in range(40):
        if loop.slack.pages and button in loop.slack.pages[0].buttons:
            break
        await survive(loop)
    else:
        return
    payload = loop.slack.interaction(loop.slack.pages[0], button, "U1")
    for _ in range(storm.random.choice((1, 2))):
        try:
            await loop.deliver_click(payload)
        except CrashError:
            loop.restart()
        await survive(loop)


def misbehave(loop: OnCall, storm: Storm) -> None:
    for _ in range(storm.random.randrange(3)):
        fault = storm.random.choice(SLACK_FAULTS)
        loop.slack.faults.append((storm.random.choice(METHODS), fault))
    loop.gateway.faults = [
        storm.random.choice(GATEWAY_FAULTS) for _ in range(storm.random.randrange(3))
    ]


async def one_run(seed: int) -> None:
    storm = Storm(seed)
    policy = storm.random.choice(POLICIES)
    uncommitted = storm.random.random() >= 0.5
    async with on_call(policy, storm, uncommitted=uncommitted) as loop:
        loop.slack.retry_after_seconds = 5
        misbehave(loop, storm)
        for revision in (1, 2, 3):
            await tell(loop, revision)
        button = storm.random.choice(("revoke", "not_a_leak"))
        await press(loop, storm, button)
        await tell(loop, 4)
        storm.raging = False
        loop.slack.faults.clear()
        await loop.wait(400 if policy is UNLESS_HELD else 100, step=10)
        check(loop, policy, button)


def check(loop: OnCall, policy: Policy | None, button: str) -> None:
    """What has to hold after every run."""
    assert len(loop.slack.messages) == 2, "one page and its evidence"
    assert loop.slack.rejected == []
    assert "Spent so far: $400.00" in shown(loop)
    asked = {each.action_id for each in loop.published(ACTIONS, Action)}
    raw = [message.value for message in loop.bus.topics[ACTION_RESULTS.name]]
    finished = list(set(raw)) if loop.bus.uncommitted else raw
    assert len(finished) == len(asked), "one result for each action"
    assert {each.action_id for each in loop.results} == asked
    assert set(loop.gateway.effective.values()) <= {1}, "nothing acted twice"
    held = policy is UNLESS_HELD and button == "not_a_leak"
    expected = 0 if held or (policy is None and button == "not_a_leak") else 1
    assert len(loop.gateway.revoked) == expected
    assert ("Revoked and verified" in shown(loop)) == bool(expected)
    if policy is None:
        said = {each.verdict for each in loop.published(VERDICTS, Verdict)}
        assert said == {"leak" if button == "revoke" else "benign"}


@pytest.mark.parametrize("first", range(0, 200, SEEDS_PER_TEST))
async def test_every_seed_ends_with_one_message_and_one_revocation(first: int) -> None:
    for seed in range(first, first + SEEDS_PER_TEST):
        try:
            await one_run(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


async def one_failure(seed: int) -> None:
    """A ticket becomes a page in its own channel, and the policy's revocation fails."""
    storm = Storm(seed)
    async with on_call(
        UNLESS_HELD, storm, uncommitted=storm.random.random() >= 0.5, ticket_channel=CHANNEL
    ) as loop:
        loop.slack.retry_after_seconds = 5
        misbehave(loop, storm)
        loop.gateway.obeys = False
        for revision, severity in enumerate(("ticket", "page", "page"), 1):
            await tell(loop, revision, severity=severity, cause="leaked")
        for _ in range(40):
            await survive(loop, 10)
        storm.raging = False
        loop.slack.faults.clear()
        await loop.wait(400, step=10)
        alarms = [m for m in loop.slack.messages if m.body.get("reply_broadcast")]
        assert "NOT revoked (failed)" in shown(loop)
        assert len(loop.slack.messages) == 2 + len(alarms), "one page, its evidence, one alarm"
        assert len(alarms) == 1
        assert loop.slack.rejected == []


@pytest.mark.parametrize("first", range(0, 100, SEEDS_PER_TEST))
async def test_every_seed_of_a_failed_revocation_ends_with_one_alarm(first: int) -> None:
    for seed in range(first, first + SEEDS_PER_TEST):
        try:
            await one_failure(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


async def one_storm(seed: int) -> None:
    """Many keys show the same, some get worse or end, while the stage dies again and again."""
    storm = Storm(seed)
    async with on_call(None, storm, uncommitted=storm.random.random() >= 0.5) as loop:
        misbehave(loop, storm)
        revisions = dict.fromkeys(range(12), 0)
        for number in [storm.random.randrange(12) for _ in range(30)]:
            revisions[number] += 1
            changes: dict[str, object] = {}
            changes["severity"] = storm.random.choice(("page", "page", "ticket", "info"))
            if storm.random.random() < 0.15:
                changes |= {"risk": 0.95, "signals": [signal(score=9.0)]}
            try:
                await moved(loop, number, revision=revisions[number], **changes)
            except CrashError:
                loop.restart()
            await survive(loop)
        storm.raging = False
        loop.slack.faults.clear()
        await loop.wait(100, step=10)
        check_storm(loop)


def check_storm(loop: OnCall) -> None:
    """Every incident that people are to see is in exactly one message."""
    known = pages.load_all(loop.journal())
    told = Counter(
        incident_id
        for page in known
        if page.posted
        for incident_id in (page.fleet.members if page.fleet else [page.incident.incident_id])
    )
    due = {p.incident.incident_id for p in known if not p.fleet and p.incident.severity != "info"}
    assert {each for each, count in told.items() if count == 1} >= due
    assert max(told.values()) == 1
    assert len(loop.slack.pages) == sum(page.posted for page in known)
    assert not any(page.dirty for page in known)


@pytest.mark.parametrize("first", range(0, 50, SEEDS_PER_TEST))
async def test_every_seed_of_a_storm_ends_with_each_incident_in_one_message(first: int) -> None:
    for seed in range(first, first + SEEDS_PER_TEST):
        try:
            await one_storm(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
