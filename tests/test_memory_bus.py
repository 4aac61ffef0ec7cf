"""The in-process log keeps the promises that the stages rely on."""

import pytest

from pipeline.journal import Journal, Stage
from pipeline.message import Message
from schemas.topics import ACTIONS, INCIDENTS, VERDICTS, Topic
from tests.support.crashing_bus import CrashingBus


class CrashError(Exception):
    pass


class Counter:
    """Remembers how many messages it saw, and passes each on."""

    reads: tuple[Topic, ...] = (INCIDENTS,)
    first: tuple[Topic, ...] = ()
    acts_on = reads

    def __init__(self, *, commits: bool = False) -> None:
        self.commits = commits
        self.seen: list[bytes] = []
        self.ticks: list[float] = []

    async def handle(self, message: Message, journal: Journal) -> None:
        self.seen.append(message.value)
        journal.put("count", str(int(journal.get("count") or b"0") + 1).encode())
        await journal.publish(ACTIONS, message.value, key="k", headers={"h": "1"})
        if self.commits:
            await journal.commit()

    async def tick(self, now: float, journal: Journal) -> None:
        self.ticks.append(now)
        journal.put("ticked", b"1")


class Faults:
    """Crashes at the n-th point."""

    def __init__(self, *at: int) -> None:
        self.at = set(at)
        self.points = 0

    def __call__(self, point: str) -> None:
        self.points += 1
        if self.points in self.at:
            raise CrashError(point)


def bus(stage: Stage, *crash_at: int, uncommitted: bool = False) -> CrashingBus:
    return CrashingBus([stage], lambda: 1.5, Faults(*crash_at), uncommitted=uncommitted)


async def test_messages_come_in_order_with_offsets_keys_and_headers() -> None:
    stage = Counter()
    log = bus(stage)
    for value in (b"a", b"b"):
        await log.publish(INCIDENTS, value, key="k")
    await log.run_until_quiet()
    assert stage.seen == [b"a", b"b"]
    passed = log.topics[ACTIONS.name]
    assert [each.offset for each in passed] == [0, 1]
    assert (passed[0].key, passed[0].headers, passed[0].appended_at) == (b"k", {"h": "1"}, 1.5)
    assert log.journal(stage).get("count") == b"2"


@pytest.mark.parametrize("point", [1, 2])
async def test_what_was_not_committed_is_lost_and_the_message_comes_again(point: int) -> None:
    stage = Counter()
    log = bus(stage, point)
    await log.publish(INCIDENTS, b"a")
    with pytest.raises(CrashError):
        await log.run_until_quiet()
    again = Counter()
    log.restart(stage, again)
    assert log.topics[ACTIONS.name] == []
    await log.run_until_quiet()
    assert again.seen == [b"a"]
    assert log.journal(again).get("count") == b"1"
    assert len(log.topics[ACTIONS.name]) == 1


async def test_a_commit_in_the_middle_is_kept_and_the_message_comes_again() -> None:
    stage = Counter(commits=True)
    log = bus(stage, 4)
    await log.publish(INCIDENTS, b"a")
    with pytest.raises(CrashError):
        await log.run_until_quiet()
    log.restart(stage, Counter())
    await log.run_until_quiet()
    assert len(log.topics[ACTIONS.name]) == 2


async def test_after_the_last_commit_the_message_does_not_come_again() -> None:
    stage = Counter()
    log = bus(stage, 3)
    await log.publish(INCIDENTS, b"a")
    with pytest.raises(CrashError):
        await log.run_until_quiet()
    again = Counter()
    log.restart(stage, again)
    await log.run_until_quiet()
    assert again.seen == []


async def test_who_reads_what_was_not_committed_may_read_it_twice() -> None:
    stage = Counter()
    log = bus(stage, 2, uncommitted=True)
    await log.publish(INCIDENTS, b"a")
    with pytest.raises(CrashError):
        await log.run_until_quiet()
    log.restart(stage, Counter())
    await log.run_until_quiet()
    assert len(log.topics[ACTIONS.name]) == 2


async def test_a_tick_is_durable_and_forgetting_works() -> None:
    stage = Counter()
    log = bus(stage)
    await log.tick(7.0)
    journal = log.journal(stage)
    assert stage.ticks == [7.0]
    assert journal.keys() == ["ticked"]
    journal.put("ticked", None)
    journal.put("new", b"1")
    assert journal.keys() == ["new"]
    await journal.commit()
    assert journal.get("ticked") is None


class Asking(Counter):
    """Asks for every verdict before it deals with an incident."""

    reads: tuple[Topic, ...] = (INCIDENTS, VERDICTS)

    async def handle(self, message: Message, journal: Journal) -> None:
        async def hand(other: Message) -> None:
            await Counter.handle(self, other, journal)

        if message.topic == INCIDENTS.name:
            assert await journal.catch_up((VERDICTS,), hand)
        await hand(message)


@pytest.mark.parametrize("point", [0, 1, 3, 4, 5])
async def test_what_was_asked_for_does_not_come_again_unless_it_was_lost(point: int) -> None:
    """Crashes never, at the first publish, at the last, before the commit, or after it."""
    stage = Asking()
    log = bus(stage, point)
    for topic, value in ((VERDICTS, b"a"), (INCIDENTS, b"c"), (VERDICTS, b"b")):
        await log.publish(topic, value)
    if point:
        with pytest.raises(CrashError):
            await log.run_until_quiet()
    again = Asking()
    log.restart(stage, again)
    await log.run_until_quiet()
    assert [each.value for each in log.topics[ACTIONS.name]] == [b"a", b"b", b"c"]
    assert log.journal(again).get("count") == b"3"
