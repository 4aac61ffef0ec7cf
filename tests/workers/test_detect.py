"""The detect role on a real broker, against an undisturbed fold of the same messages."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import count
from typing import Any

import msgspec
import pytest

from pipeline.config import Kafka
from pipeline.workers.partition import MOVED
from pipeline.workers.producing import EventLog, encode_headers
from pipeline.workers.role import to_message
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.topics import (
    DEAD_LETTERS,
    DETECT_STATE,
    INCIDENTS,
    SPEND_WINDOWS,
    USAGE_EVENTS,
    Topic,
)
from tests.support.counting_fold import CountingFold, State
from tests.support.events import HOUR, event
from tests.support.kafka_log import WorkerProcess, bodies, eventually, read

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

KEYS = [f"key-{number}" for number in range(12)]
Event = tuple[str, bytes]


class Feed:
    """Events with ids and costs of their own."""

    def __init__(self, topics: Kafka) -> None:
        self._topics = topics
        self._numbers = count()

    def events(self, per_key: int, keys: Iterable[str] = KEYS) -> list[Event]:
        return [self._event(key) for _ in range(per_key) for key in keys]

    async def packed(self, per_key: int) -> None:
        async with EventLog(self._topics) as log:
            await log.send_packed(self.events(per_key))

    async def single(self, per_key: int) -> None:
        async with EventLog(self._topics) as log:
            sends = (log.send(USAGE_EVENTS, *event) for event in self.events(per_key))
            await asyncio.gather(*sends)

    async def garbage(self, messages: int = 1) -> None:
        async with EventLog(self._topics) as log:
            keys = (KEYS[number % len(KEYS)] for number in range(messages))
            await asyncio.gather(*(log.send(USAGE_EVENTS, key, b"no json") for key in keys))

    def _event(self, key: str) -> Event:
        number = next(self._numbers)
        body = {"event_id": f"event-{number}", "key_id": key, "cost_usd": number / 1000}
        return key, json.dumps(body).encode()


@pytest.fixture
def feed(topics: Kafka) -> Feed:
    return Feed(topics)


def worker(topics: Kafka, *, share_max: float = 1.0, seconds: float = 0.0) -> WorkerProcess:
    arguments = topics.model_dump_json(), str(share_max), str(seconds)
    return WorkerProcess("tests.support.fold_worker", *arguments)


async def expected(topics: Kafka) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Incidents and totals of the messages as they stand in the log."""
    folds = [CountingFold(place, topics.partitions) for place in range(topics.partitions)]
    incidents = []
    for record in await read(topics, USAGE_EVENTS):
        message = to_message(USAGE_EVENTS.name, record)
        incidents += folds[message.partition].fold(message).incidents
    windows = [window for fold in folds for window in fold.checkpoint().windows]
    return _sorted(msgspec.to_builtins(incidents)), _latest(msgspec.to_builtins(windows))


def _sorted(incidents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(incidents, key=lambda each: (each["incident_id"], each["revision"]))


def _latest(windows: list[dict[str, Any]]) -> dict[str, Any]:
    latest: dict[str, Any] = {}
    for window in sorted(windows, key=lambda each: each["version"]):
        latest[window["key_id"]] = window
    return latest


async def settled(topics: Kafka, events: int, *workers: WorkerProcess) -> None:
    """Wait until the totals count so many events."""

    async def all_counted() -> bool:
        totals = _latest(await bodies(topics, SPEND_WINDOWS, committed=True))
        return bool(sum(window["requests"] for window in totals.values()) == events)

    await eventually(all_counted, *workers)


async def assert_exact(topics: Kafka) -> None:
    """Committed incidents and totals are those of an undisturbed fold, none twice."""
    incidents, totals = await expected(topics)
    assert incidents, "a test without incidents shows nothing"
    assert _latest(await bodies(topics, SPEND_WINDOWS)) == totals
    assert _sorted(await bodies(topics, INCIDENTS, committed=True)) == incidents
    seen = {json.dumps(each, sort_keys=True): each for each in await bodies(topics, INCIDENTS)}
    assert _sorted(list(seen.values())) == incidents


async def test_packed_and_single_messages(topics: Kafka, feed: Feed) -> None:
    await feed.packed(15)
    await feed.single(8)
    with worker(topics) as only:
        await settled(topics, 23 * len(KEYS), only)
        assert only.stop() == 0
    await assert_exact(topics)


async def test_a_stop_makes_everything_durable(topics: Kafka, feed: Feed) -> None:
    patient = topics.model_copy(update={"checkpoint_seconds": 30.0})
    with worker(patient) as only:
        await feed.packed(5)  # too few for an incident: nothing asks for a checkpoint
        await feed.garbage(len(KEYS))

        async def folded() -> bool:
            return len(await read(topics, DEAD_LETTERS)) == len(KEYS)

        await eventually(folded, only)
        assert only.stop() == 0
    states = [msgspec.msgpack.decode(r.value, type=State) for r in await read(topics, DETECT_STATE)]
    assert sum(state.events for state in states) == 5 * len(KEYS)


async def test_bad_events_become_dead_letters_and_the_rest_goes_on(
    topics: Kafka, feed: Feed
) -> None:
    await feed.single(3)
    await feed.garbage()
    await feed.single(9)
    with worker(topics) as only:
        await settled(topics, 12 * len(KEYS), only)
        assert only.stop() == 0
    (letter,) = await bodies(topics, DEAD_LETTERS, committed=True)
    assert letter["reason"] == "not_json"
    assert letter["topic"] == USAGE_EVENTS.name
    await assert_exact(topics)


async def test_misplaced_events_move_once(topics: Kafka, feed: Feed) -> None:
    wrong_place = (partition_of(KEYS[0], topics.partitions) + 1) % topics.partitions
    lines = b"\n".join(event for _, event in feed.events(20, keys=KEYS[:1]))
    stray = b"\n".join(event for _, event in feed.events(1, keys=KEYS[:1]))
    async with EventLog(topics) as log:
        producer, name = log._running(), topics.topic_prefix + USAGE_EVENTS.name
        await producer.send_and_wait(name, lines, partition=wrong_place)
        headers = encode_headers(MOVED)
        await producer.send_and_wait(name, stray, partition=wrong_place, headers=headers)
    with worker(topics) as only:
        await settled(topics, 20, only)
        assert only.stop() == 0
    (letter,) = await bodies(topics, DEAD_LETTERS, committed=True)
    assert letter["reason"] == "misplaced_twice"
    await assert_exact(topics)


async def test_too_many_dead_letters_stop_the_worker(topics: Kafka, feed: Feed) -> None:
    packed = [(KEYS[0], b"no json")] * 1100
    async with EventLog(topics) as log:
        await log.send_packed(packed)
    with worker(topics, share_max=0.5) as only:
        code, said = only.wait()
    assert code == 1
    assert "dead letters" in said
    await feed.packed(2)
    with worker(topics, share_max=0.5) as next_one:  # started again, it is beyond them
        await settled(topics, 2 * len(KEYS), next_one)
    assert len(await bodies(topics, DEAD_LETTERS, committed=True)) == len(packed)


async def test_a_clock_that_is_ahead_stops_nobody(topics: Kafka) -> None:
    now = time.time()
    ahead = [event(now + HOUR, event_id=f"ahead-{number}") for number in range(1100)]
    async with EventLog(topics) as log:
        await log.send_packed([(each.key_id, encode(each)) for each in ahead])
        await log.send_packed([(KEYS[0], encode(event(now, key_id=KEYS[0])))])
    with WorkerProcess("tests.support.engine_worker", topics.model_dump_json()) as only:

        async def counted() -> bool:
            return any(each["key_id"] == KEYS[0] for each in await bodies(topics, SPEND_WINDOWS))

        await eventually(counted, only)
        assert only.stop() == 0
    letters = await bodies(topics, DEAD_LETTERS, committed=True)
    assert Counter(letter["reason"] for letter in letters) == {"time_in_future": len(ahead)}


async def test_rebalances_in_both_directions(topics: Kafka, feed: Feed) -> None:
    with worker(topics) as first:
        await feed.packed(12)
        await settled(topics, 12 * len(KEYS), first)
        with worker(topics) as second:
            total = 12
            for _ in range(4):
                await feed.single(3)
                total += 3
                await settled(topics, total * len(KEYS), first, second)
            assert first.stop() == 0
            await feed.packed(10)
            total += 10
            await settled(topics, total * len(KEYS), second)
            assert second.stop() == 0
            # who stays keeps the states of what does not move
            assert restored(first) == 0
            assert restored(second) >= len(KEYS)
    await assert_exact(topics)


def restored(ended: WorkerProcess) -> float:
    """States that a worker took over from others, as it said when it ended."""
    _, said = ended.wait()
    return float(said.partition("\nleakline_restored_keys_total ")[2].split()[0])


async def test_kills_at_three_points_change_nothing(topics: Kafka, feed: Feed) -> None:

    for topic in (INCIDENTS, SPEND_WINDOWS, DETECT_STATE):
        await feed.single(30)
        before = len(await read(topics, topic))
        with worker(topics, seconds=0.002) as victim:

            async def wrote(topic: Topic = topic, before: int = before) -> bool:
                return len(await read(topics, topic)) > before

            await eventually(wrote, victim)
            victim.kill()
    await feed.packed(10)
    with worker(topics) as last:
        await settled(topics, 100 * len(KEYS), last)
        assert last.stop() == 0
    await assert_exact(topics)


async def test_a_zombie_sets_nothing_back(topics: Kafka, feed: Feed) -> None:
    slow = topics.model_copy(update={"checkpoint_seconds": 4.0})
    with worker(slow) as zombie:
        await feed.packed(10)
        await settled(topics, 10 * len(KEYS), zombie)
        await feed.packed(5)
        await feed.garbage(len(KEYS))  # its dead letters show that it was folded

        async def folded() -> bool:
            return len(await read(topics, DEAD_LETTERS)) == len(KEYS)

        await eventually(folded, zombie)
        zombie.pause()
        with worker(topics) as heir:
            await feed.packed(17)
            await settled(topics, 32 * len(KEYS), heir)
            zombie.resume()
            await feed.packed(8)
            await settled(topics, 40 * len(KEYS))
            heir.stop()
        if zombie.exit_code is None:
            zombie.stop()
    await assert_exact(topics)
    counted = defaultdict[bytes, list[int]](list)
    for record in await read(topics, DETECT_STATE, committed=True):
        counted[record.key].append(msgspec.msgpack.decode(record.value, type=State).events)
    assert all(each == sorted(each) for each in counted.values()), "set back, if only for a while"
    assert [each[-1] for each in counted.values()] == [40] * len(KEYS)
