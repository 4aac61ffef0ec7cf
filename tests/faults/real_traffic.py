"""Traffic for the real stack that never stops, and what was accepted of it."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from pipeline.config import Config
from pipeline.workers.producing import EventLog
from schemas.codec import encode
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.provider_usage import ProviderUsage
from schemas.topics import KEYS, PROVIDER_USAGE, RECORD_HEADER, USAGE_EVENTS
from schemas.usage_event import UsageEvent
from tests.support.events import ABROAD, event

PARTITIONS = 7
"""More than workers."""
EMPTY = 6
"""A partition of the events that no key is in."""
HONEST_KEYS = 6
FLEET_KEYS = 300
FEED_EVENTS = 5
FEED_SECONDS = 0.1
ANSWER_SECONDS_MAX = 5.0
"""A gateway gives up waiting for the intake, and sends the same again."""
RETRY_SECONDS = 0.5
TOKEN = "intake-token"


@dataclass
class RealTraffic:
    """Two sources, one of which speaks to the broker and one to the intake, and planted keys."""

    config: Config
    accepted: dict[str, UsageEvent] = field(default_factory=dict)
    """Events that the broker or the intake acknowledged, by id."""
    planted: set[str] = field(default_factory=set)
    """Keys that must be told of and revoked."""
    billed: int = 0
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    rng: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 # no secret

    async def register(self) -> None:
        """Put keys into the registry, so that the brake on a share of the fleet does not hold."""
        async with EventLog(self.config.kafka) as log:
            for _ in range(FLEET_KEYS):
                record = KeyRecord(key_id=_name("registered", self.rng), gateway="edge")
                await log.send(KEYS, record.key_id, encode(record))

    async def flow(self) -> None:
        """Send events from both sources, whatever happens to who takes them; until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._produce())
            both.create_task(self._post())

    async def plant(self) -> None:
        """A planted key is touched, and a provider's key used beside the gateway: an incident, a
        page and a revocation must come of each.
        """
        key_id = _name("planted", self.rng)
        record = KeyRecord(key_id=key_id, canary=True, gateway="edge", alias=key_id)
        now = time.time()
        events = [
            event(
                now + n / 1000,
                event_id=self.rng.randbytes(8).hex(),
                key_id=key_id,
                client_ip=ABROAD,
            )
            for n in range(3)
        ]
        async with EventLog(self.config.kafka) as log:
            await log.send(KEYS, key_id, encode(record))
            await log.send(USAGE_EVENTS, key_id, encode(record), {RECORD_HEADER: "key"})
            await log.send_packed(_lines(events))
            self.accepted |= {each.event_id: each for each in events}
            self.planted.add(key_id)
            bill = _bill(_name("billed", self.rng), now)
            await log.send(PROVIDER_USAGE, "", encode(bill))
            self.billed += 1
            self.planted.add(bill.provider_key_id or "")

    async def _produce(self) -> None:
        source = _Source(self.rng)
        while True:
            with suppress(Exception):  # the broker is gone
                async with EventLog(self.config.kafka) as log:
                    while True:
                        await log.send_packed(_lines(await self._next(source)))
                        self._accept(source)
            await asyncio.sleep(RETRY_SECONDS)

    async def _post(self) -> None:
        source = _Source(self.rng)
        url = f"http://127.0.0.1:{self.config.serve.port}/v1/intake/events"
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/x-ndjson"}
        timeout = aiohttp.ClientTimeout(ANSWER_SECONDS_MAX)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            while True:
                body = b"\n".join(line for _, line in _lines(await self._next(source)))
                try:
                    async with session.post(url, data=body) as response:
                        response.raise_for_status()
                except (aiohttp.ClientError, TimeoutError):
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    self._accept(source)

    async def _next(self, source: "_Source") -> Sequence[UsageEvent]:
        """The same events until they are accepted, then others."""
        if not source.unsent:
            await self.flowing.wait()
            await asyncio.sleep(FEED_SECONDS)
            source.unsent = [source.event() for _ in range(FEED_EVENTS)]
        return source.unsent

    def _accept(self, source: "_Source") -> None:
        self.accepted |= {each.event_id: each for each in source.unsent}
        source.unsent = []


class _Source:
    """Somebody who sends the events of keys of his own."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._keys = [_name("honest", rng) for _ in range(HONEST_KEYS)]
        self.unsent: list[UsageEvent] = []

    def event(self) -> UsageEvent:
        """A request of one of them."""
        return event(
            time.time(),
            event_id=self._rng.randbytes(8).hex(),
            key_id=self._rng.choice(self._keys),
            cost_usd=self._rng.randrange(1, 50) / 10_000,
        )


def _name(kind: str, rng: random.Random) -> str:
    """An id for a key that is not in the empty partition."""
    while True:
        name = f"{kind}-{rng.randbytes(4).hex()}"
        if partition_of(name, PARTITIONS) != EMPTY:
            return name


def _lines(events: Sequence[UsageEvent]) -> list[tuple[str, bytes]]:
    return [(each.key_id, encode(each)) for each in events]


def _bill(provider_key_id: str, now: float) -> ProviderUsage:
    return ProviderUsage(
        provider="openai",
        provider_key_id=provider_key_id,
        window_start=now - 7200,
        window_end=now - 3600,
        input_tokens=9_000_000,
        cost_usd=40.0,
        observed_at=now,
    )
