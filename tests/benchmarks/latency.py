"""Seconds from a leaked key's first request to the page, and from a click to a key that is dead.

The streaming stack as it is installed, every role a process on this machine: Kafka, detect, sink
into the embedded store, notify, enforce, and the server for Slack's clicks; Slack and the gateway
are stand-ins in this process. Behind it run the requests of an honest fleet at a steady rate.
"""

import asyncio
import json
import random
import re
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from pipeline.config import Kafka, Serve
from pipeline.demo.slack_conversations import SlackMessage
from pipeline.demo.stand_ins import ENGINEER, StandIns, stand_ins
from pipeline.packing import PACKED
from pipeline.workers.connection import topic_name
from pipeline.workers.producing import EventLog, encode_headers
from schemas.codec import encode
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.topics import KEYS, RECORD_HEADER, USAGE_EVENTS
from tests.benchmarks.harness import Figures, Options, quantile, say
from tests.support.events import ABROAD, HOME, event
from tests.support.installation import Installation
from tests.support.kafka import open_broker

RATES: Final = (1_250, 2_500, 5_000, 10_000)
"""Honest events a second; the last is the goal's."""
P50_SECONDS_MAX, P99_SECONDS_MAX = 1.0, 3.0
KEYS_HONEST: Final = 10_000
PARTITIONS: Final = 4
FEED_SECONDS: Final = 0.05
PLANT_SECONDS: Final = 0.4
APART_SECONDS: Final = 900.0
"""Between planted requests by their own clocks: a storm within an hour would share a message."""
LOOK_SECONDS: Final = 0.005
SECONDS: Final = 15.0
WARM_SECONDS: Final = 8.0
"""Ten thousand keys that nobody has seen before are no steady state."""
PAGED_SECONDS_MAX: Final = 60.0
CLICKS: Final = 10
_PLANTED = re.compile(r"planted-[0-9a-f]{8}")


@dataclass(slots=True)
class _Sight:
    """When a planted key was first used, and when its page came; Unix seconds."""

    produced: dict[str, float] = field(default_factory=dict)
    paged: dict[str, float] = field(default_factory=dict)
    pages: dict[str, SlackMessage] = field(default_factory=dict)


async def measure(options: Options) -> Figures:
    """Figures by their names in the contract, printed and returned."""
    with open_broker() as broker, tempfile.TemporaryDirectory() as folder:
        kafka = Kafka(brokers=broker.bootstrap, partitions=PARTITIONS)
        async with stand_ins() as others:
            config = others.config(Path(folder), 0, kafka).model_copy(
                update={"serve": Serve(port=0)}
            )
            with Installation(config, Path(folder)) as here:
                return await _measure(here, others, kafka, max(4.0, SECONDS * options.scale))


async def _measure(here: Installation, others: StandIns, kafka: Kafka, seconds: float) -> Figures:
    await asyncio.to_thread(here.run, "init")
    url = await asyncio.to_thread(here.serve)
    here.start("run")
    async with _feeder(kafka) as feeder, _watching(others) as sight:
        planted = await feeder.register(len(RATES) * (int(seconds / PLANT_SECONDS) + 2))
        await feeder.plant(planted.pop(), sight)
        await _all_paged(sight)  # everything has started
        await feeder.feed(RATES[0], WARM_SECONDS)
        figures: Figures = {}
        for rate in RATES:
            waits = await _at_rate(feeder, sight, rate, seconds, planted)
            p50, p99 = quantile(waits, 0.5), quantile(waits, 0.99)
            say(f"  {rate:>6,} events/s: {len(waits)} pages, p50 {p50:.2f} s, p99 {p99:.2f} s")
            figures |= {f"produce_to_page_{rate}_p50_s": p50, f"produce_to_page_{rate}_p99_s": p99}
            if p50 <= P50_SECONDS_MAX and p99 <= P99_SECONDS_MAX:
                figures |= {
                    "produce_to_page_p50_s": p50,
                    "produce_to_page_p99_s": p99,
                    "produce_to_page_events_per_s": rate,
                }
        clicks = [
            await _click(others, f"{url}/v1/slack/interactions", page)
            for page in list(sight.pages.values())[-CLICKS:]
        ]
        await asyncio.to_thread(here.stop)
    say(f"  click to verified: {len(clicks)} keys, slowest {max(clicks):.2f} s")
    return figures | {"click_to_verified_s": max(clicks)}


async def _at_rate(
    feeder: "_Feeder", sight: _Sight, rate: int, seconds: float, planted: list[str]
) -> list[float]:
    """Seconds to the page of each key that was planted while honest events came at a rate."""
    feeding = asyncio.create_task(feeder.feed(rate, seconds))
    until, keys = time.time() + seconds, []
    while time.time() < until:
        keys.append(planted.pop())
        await feeder.plant(keys[-1], sight)
        await asyncio.sleep(PLANT_SECONDS)
    await feeding
    await _all_paged(sight)
    return [sight.paged[key] - sight.produced[key] for key in keys]


async def _all_paged(sight: _Sight) -> None:
    await _until(lambda: not sight.produced.keys() - sight.paged.keys())


async def _click(others: StandIns, url: str, page: SlackMessage) -> float:
    """Seconds from a click on "revoke" until the page says that the key is dead."""
    began = time.time()
    assert await others.slack.click(page, "revoke", ENGINEER, url) == 200
    await _until(lambda: "revoke" not in page.buttons)  # it goes when a probe was refused
    return time.time() - began


async def _until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PAGED_SECONDS_MAX
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no page or outcome within {PAGED_SECONDS_MAX:.0f} s")
        await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def _watching(others: StandIns) -> AsyncIterator[_Sight]:
    """Note when pages come."""
    sight = _Sight()

    async def look() -> None:
        seen = 0
        while True:
            now, messages = time.time(), others.slack.messages[seen:]
            seen += len(messages)
            for message in messages:
                found = _PLANTED.search(str(message.body)) if message.thread_ts is None else None
                if found is not None:
                    sight.paged.setdefault(found[0], now)
                    sight.pages.setdefault(found[0], message)
            await asyncio.sleep(LOOK_SECONDS)

    looking = asyncio.create_task(look())
    try:
        yield sight
    finally:
        looking.cancel()


class _Feeder:
    """Sends events in the form that the intake gives them: packed, a message a partition."""

    def __init__(self, kafka: Kafka, log: EventLog, producer: AIOKafkaProducer) -> None:
        self._log = log
        self._producer = producer
        self._topic = topic_name(kafka, USAGE_EVENTS)
        self._random = random.Random(1)  # noqa: S311 - no cryptography
        self._left = 0
        self._tails: list[list[bytes]] = [[] for _ in range(kafka.partitions)]
        for number in range(KEYS_HONEST):
            key_id = f"honest-{number:05d}"
            place = partition_of(key_id, kafka.partitions)
            self._tails[place].append(_tail(key_id, self._random))
        # Heavy-tailed, as fleets are: a few keys have most of the requests.
        self._shares = [
            list(accumulate((rank + 1) ** -0.8 for rank in range(len(tails))))
            for tails in self._tails
        ]

    async def register(self, count: int) -> list[str]:
        """So many keys that nobody may use."""
        keys = [f"planted-{secrets.token_hex(4)}" for _ in range(count)]
        self._left = count
        for key_id in keys:
            record = encode(KeyRecord(key_id=key_id, canary=True, alias=key_id))
            await self._log.send(KEYS, key_id, record)
            await self._log.send(USAGE_EVENTS, key_id, record, {RECORD_HEADER: "key"})
        return keys

    async def plant(self, key_id: str, sight: _Sight) -> None:
        """The first use of a key that nobody may use."""
        sight.produced[key_id] = now = time.time()
        self._left -= 1
        at = now - self._left * APART_SECONDS
        made = event(at, event_id=secrets.token_hex(8), key_id=key_id, client_ip=ABROAD)
        await self._log.send(USAGE_EVENTS, key_id, encode(made))

    async def feed(self, rate: int, seconds: float) -> None:
        """Honest events at a rate; late ones are made up for."""
        began, sent = time.time(), 0
        while (now := time.time()) < began + seconds:
            due = int((now - began) * rate) - sent
            sent += due
            for place, tails in enumerate(self._tails):
                lines = self._lines(tails, self._shares[place], due // len(self._tails), now)
                if lines:
                    await self._producer.send(
                        self._topic, lines, partition=place, headers=encode_headers(PACKED)
                    )
            await asyncio.sleep(FEED_SECONDS)

    def _lines(
        self, tails: Sequence[bytes], shares: Sequence[float], count: int, now: float
    ) -> bytes:
        drawn = self._random.choices(tails, cum_weights=shares, k=count)
        first = self._random.getrandbits(64)
        return b"\n".join(
            b'{"event_id":"%x","occurred_at":%.3f,%b' % (first + number, now, tail)
            for number, tail in enumerate(drawn)
        )


def _tail(key_id: str, draw: random.Random) -> bytes:
    """An event's JSON after its id and time."""
    made = event(0.0, event_id="-", key_id=key_id, client_ip=draw.choice(HOME))
    fields = json.loads(encode(made))
    del fields["event_id"], fields["occurred_at"]
    return json.dumps(fields, separators=(",", ":")).encode()[1:]


@asynccontextmanager
async def _feeder(kafka: Kafka) -> AsyncIterator[_Feeder]:
    async with EventLog(kafka) as log:
        yield _Feeder(kafka, log, log._running())
