"""The same events through `leakline replay` and through Faust: the same incidents and totals.

The log is a simulated fleet with late and repeated events, a key registry that changes and
providers' bills, and Azure's traffic with a theft in it. In a replay it is one file of each kind;
on Kafka its records lie in several partitions and are read in whatever order workers come to them.
"""

import asyncio
import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from pipeline.config import Config, Kafka
from pipeline.message import Message
from pipeline.packing import PACKED, pack
from pipeline.replay.merge import Recording, merge
from pipeline.simulate import FleetSettings, simulate
from pipeline.workers.connection import (
    client_settings,
    group_name,
    producer_settings,
    topic_name,
)
from pipeline.workers.producing import Headers, encode_headers
from schemas.codec import encode
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.spend_window import SpendWindow
from schemas.topics import (
    DETECT_STATE,
    INCIDENTS,
    SPEND_WINDOWS,
    USAGE_EVENTS,
    Topic,
)
from schemas.usage_event import UsageEvent
from tests.support.azure_traffic import honest
from tests.support.events import DAY, in_time, thief
from tests.support.installation import ROOT, Installation, environment
from tests.support.kafka_log import read

pytestmark = pytest.mark.kafka

FLEET = FleetSettings(keys=24, days=6, attack_rate=0.6, change_rate=0.5, volume=0.06, disorder=0.02)
WINDOWS = "SELECT * FROM v_spend_windows"
NUMBERS = tuple(SpendWindow.__struct_fields__[3:])
Place = tuple[str, str, datetime]
Values = tuple[Decimal, ...]
Windows = dict[Place, Values]
"""The newest row of each window, by key, granularity and start."""


@dataclass(frozen=True)
class Replayed:
    """A recording, and what a replay makes of it."""

    recording: Recording
    incidents: list[bytes]
    """Lines of the replay's file, by key, incident and revision."""
    windows: Windows


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    folder = tmp_path_factory.mktemp("replay")
    recording = _recorded(folder)
    incidents, store = folder / "incidents.jsonl", folder / "store"
    _leakline(
        "replay",
        f"--events={recording.events}",
        f"--keys={recording.keys}",
        f"--provider-usage={recording.provider_usage}",
        f"--incidents={incidents}",
        f"--store={store}",
    )
    rows = _leakline("query", "--sql", WINDOWS, "--store", str(store), "--format", "csv")
    return Replayed(
        recording,
        _in_order(incidents.read_bytes().splitlines()),
        dict(_window(row) for row in csv.DictReader(rows.splitlines())),
    )


def _recorded(folder: Path) -> Recording:
    """A fleet, and Azure's traffic with a theft in it at the same time, in files."""
    fleet = simulate(FLEET)
    days = list(fleet.days())
    recording = Recording(folder / "events", folder / "bills", folder / "keys")
    end = FLEET.span[1] - DAY / 2
    azures = in_time(honest(end, days=5), thief(end - 900, key_id="azure-0"))
    events = _merged([event for day in days for event in day.events], azures)
    for path, records in (
        (recording.events, events),
        (recording.provider_usage, [bill for day in days for bill in day.provider_usage]),
        (recording.keys, fleet.registry()),
    ):
        assert path is not None
        path.write_bytes(b"".join(encode(record) + b"\n" for record in records))
    return recording


def _merged(disordered: list[UsageEvent], others: list[UsageEvent]) -> list[UsageEvent]:
    """Both in one file; late events stay where they are among their own."""
    waiting = list(reversed(others))
    merged: list[UsageEvent] = []
    for event in disordered:
        while waiting and epoch(waiting[-1].occurred_at) <= epoch(event.occurred_at):
            merged.append(waiting.pop())
        merged.append(event)
    return merged + waiting[::-1]


def test_the_recording_holds_what_makes_it_hard(replayed: Replayed) -> None:
    found = [msgspec.json.decode(line, type=Incident) for line in replayed.incidents]
    latest = {each.incident_id: each for each in found}.values()
    causes = Counter(f"{each.severity} {each.cause}" for each in latest)
    assert causes["page leaked"] >= 3
    assert len(causes) >= 4
    assert max(each.revision for each in found) >= 3
    assert any(each.key_id == "azure-0" and each.severity == "page" for each in found)


@pytest.mark.parametrize("workers", [1, 2])
async def test_faust_says_what_a_replay_says(
    replayed: Replayed, topics: Kafka, tmp_path: Path, workers: int
) -> None:
    config = Config.model_construct(kafka=topics)
    async with watch(topics) as log:
        with Installation(config, tmp_path) as here:
            for _ in range(workers):
                here.start("run", "--role", "detect")
            await here.until(lambda: _members(topics), workers)
            await _publish(topics, _log(replayed.recording))
            await here.until(log.unread, 0)
            await asyncio.to_thread(here.stop)
    await _assert_the_same(replayed, topics)


async def test_kills_at_three_points_change_nothing(
    replayed: Replayed, topics: Kafka, tmp_path: Path
) -> None:
    first, *later = _parts(replayed.recording)
    await _publish(topics, first)
    config = Config.model_construct(kafka=topics)
    async with watch(topics) as log:
        with Installation(config, tmp_path) as here:
            # Each time more comes in when incidents, window totals or states begin to be sent, and
            # the worker is killed over it.
            for topic, more in zip((INCIDENTS, SPEND_WINDOWS, DETECT_STATE), later, strict=True):
                length = await log.length(topic)
                victim = here.start("run", "--role", "detect")
                await here.until(partial(log.is_longer, topic, length), wanted=True)
                await _publish(topics, more)
                await asyncio.to_thread(here.kill, victim)
                assert await log.unread() > 0, "the kill came too late to show anything"
            here.start("run", "--role", "detect")
            await here.until(log.unread, 0)
            await asyncio.to_thread(here.stop)
    await _assert_the_same(replayed, topics)


class Watch:
    """How far the topics reach, and how far detection has come."""

    def __init__(self, kafka: Kafka, consumer: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        self._consumer = consumer

    async def length(self, topic: Topic) -> int:
        """The end of a topic, over all partitions."""
        return sum((await self._consumer.end_offsets(_places(self._kafka, topic))).values())

    async def is_longer(self, topic: Topic, length: int) -> bool:
        """Whether a topic has become longer than it was."""
        return await self.length(topic) > length

    async def unread(self) -> int:
        """Messages of the log that no committed offset covers."""
        places = _places(self._kafka, USAGE_EVENTS)
        done = [await self._consumer.committed(place) or 0 for place in places]
        return await self.length(USAGE_EVENTS) - sum(done)


@asynccontextmanager
async def watch(kafka: Kafka) -> AsyncIterator[Watch]:
    """Look on, in the group of detection but as no member of it."""
    group = group_name(kafka, "detect")
    async with AIOKafkaConsumer(
        **client_settings(kafka), group_id=group, enable_auto_commit=False
    ) as consumer:
        topics = (USAGE_EVENTS, INCIDENTS, SPEND_WINDOWS, DETECT_STATE)
        consumer.assign([place for topic in topics for place in _places(kafka, topic)])
        yield Watch(kafka, consumer)


def _places(kafka: Kafka, topic: Topic) -> list[TopicPartition]:
    numbers = range(topic.partitions or kafka.partitions)
    return [TopicPartition(topic_name(kafka, topic), number) for number in numbers]


async def _members(kafka: Kafka) -> int:
    """Workers that share the partitions; 0 while they are being shared out."""
    admin = AIOKafkaAdminClient(**client_settings(kafka))
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group_name(kafka, "detect")])
    except GroupCoordinatorNotAvailableError:  # a fresh broker makes its topic of groups first
        return 0
    finally:
        await admin.close()
    _, _, state, _, _, members, *_ = answer.groups[0]
    return len(members) if state == "Stable" else 0


def _log(recording: Recording) -> list[Message]:
    return list(merge(recording, FLEET.span[1]))


def _parts(recording: Recording) -> list[list[Message]]:
    """The log in four parts, of which the first is half of it."""
    log = _log(recording)
    cuts = [0, *(len(log) * sixths // 6 for sixths in (3, 4, 5)), len(log)]
    return [log[begins:ends] for begins, ends in pairwise(cuts)]


async def _publish(kafka: Kafka, log: Sequence[Message]) -> None:
    """Messages on Kafka: each key's records in their order."""
    name = topic_name(kafka, USAGE_EVENTS)
    async with AIOKafkaProducer(**producer_settings(kafka)) as producer:
        sent = [
            await producer.send(name, value, partition=place, headers=encode_headers(headers))
            for message in log
            for place, value, headers in _records(message, kafka.partitions)
        ]
        await asyncio.gather(*sent)


def _records(message: Message, partitions: int) -> Iterator[tuple[int, bytes, Headers]]:
    """A message of a replay as records: (partition, value, headers)."""
    lines = message.value.splitlines()
    keyed = [(json.loads(line)["key_id"], line) for line in lines]
    headers = PACKED if message.record == "usage" else message.headers
    for place, value in pack(keyed, partitions):
        yield place, value, headers


async def _assert_the_same(replayed: Replayed, topics: Kafka) -> None:
    """Committed incidents are the replay's lines, each once; so are the newest window totals."""
    said = [record.value for record in await read(topics, INCIDENTS, committed=True)]
    assert _in_order(said) == replayed.incidents
    rows = [record.value for record in await read(topics, SPEND_WINDOWS, committed=True)]
    assert _newest(rows) == replayed.windows


def _in_order(lines: list[bytes]) -> list[bytes]:
    def place(line: bytes) -> tuple[str, str, int]:
        incident = msgspec.json.decode(line, type=Incident)
        return incident.key_id, incident.incident_id, incident.revision

    return sorted(lines, key=place)


def _newest(rows: list[bytes]) -> Windows:
    """The rows that a store would show."""
    decoded = map(msgspec.json.Decoder(SpendWindow).decode, rows)
    ordered = sorted(decoded, key=lambda row: row.version)
    return dict(_window(msgspec.structs.asdict(row)) for row in ordered)


def _window(row: Mapping[str, object]) -> tuple[Place, Values]:
    """A row with its numbers and times in one form."""
    start = datetime.fromisoformat(str(row["window_start"])).astimezone(UTC)
    values = tuple(Decimal(str(row[name])) for name in NUMBERS)
    return (str(row["key_id"]), str(row["granularity"]), start), values


def _leakline(*words: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "pipeline.cli", *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
