"""What providers bill, asked by a worker and on its way to an incident, on Kafka."""

import time
from pathlib import Path

import pytest

from pipeline.config import Config, Kafka
from pipeline.workers.producing import EventLog
from schemas.codec import encode
from schemas.key_record import KeyRecord
from schemas.topics import INCIDENTS, PROVIDER_USAGE
from schemas.usage_event import UsageEvent
from tests.support.events import event
from tests.support.installation import Installation
from tests.support.kafka_log import bodies, eventually
from tests.support.usage_reports import ADMIN_KEY, HOUR, Used, reporting

pytestmark = pytest.mark.kafka


async def test_a_worker_asks_and_what_is_stolen_pages(topics: Kafka, tmp_path: Path) -> None:
    """The worker is killed, and the next one sends what is new and nothing else."""
    over = int(time.time() // HOUR) * HOUR - 2 * HOUR
    registry = tmp_path / "keys.jsonl"
    entries = [KeyRecord(key_id=f"gw-{n}", provider_key_id=f"key_{n}") for n in range(2)]
    registry.write_bytes(b"".join(encode(each) + b"\n" for each in entries))
    async with reporting(used=[honest(over, f"key_{n}") for n in range(2)]) as provider:
        provider.used.append(Used(over, key="key_1", model="o3", uncached=900_000))
        poll = provider.poll("openai")
        config = Config.model_construct(kafka=topics, keys=registry, poll=poll)
        with Installation(config, tmp_path) as here:
            async with EventLog(topics) as log:
                events = [each for entry in entries for each in traffic(over, entry.key_id)]
                await log.send_packed([(each.key_id, encode(each)) for each in events])
            detect, reconcile, first = (
                here.start("run", "--role", role) for role in ("detect", "reconcile", "poll")
            )
            del detect, reconcile

            async def told() -> bool:
                found = await bodies(topics, INCIDENTS, committed=True)
                return [(e["key_id"], e["cause"]) for e in found] == [("gw-1", "off_gateway")]

            await eventually(told)
            here.kill(first)
            provider.used.append(honest(over, "key_2"))
            here.start("run", "--role", "poll")

            async def billed() -> bool:
                found = await bodies(topics, PROVIDER_USAGE, committed=True)
                return "key_2" in {each["provider_key_id"] for each in found}

            await eventually(billed)
            here.stop()
            assert ADMIN_KEY not in here.said()
    found = await bodies(topics, PROVIDER_USAGE, committed=True)
    whose = sorted((each["provider_key_id"], each["model"]) for each in found)
    model = honest(over, "").model
    assert whose == [("key_0", model), ("key_1", model), ("key_1", "o3"), ("key_2", model)]


async def test_a_provider_that_does_not_answer_keeps_no_worker_from_stopping(
    topics: Kafka, tmp_path: Path
) -> None:
    async with reporting(faults=["slow"] * 9) as provider:
        config = Config.model_construct(kafka=topics, poll=provider.poll("openai"))
        with Installation(config, tmp_path) as here:
            here.start("run", "--role", "poll")

            async def asked() -> bool:
                return len(provider.asked) > 0

            await eventually(asked)
            here.stop()  # which has to be in good order


def honest(start: int, key: str) -> Used:
    """What `traffic` is billed."""
    return Used(start, key, uncached=90_000, cached=0, output=9_000, requests=10)


def traffic(start: int, key_id: str) -> list[UsageEvent]:
    """An hour of a key that was used before."""
    times = [start - 3 * HOUR, *range(start, start + HOUR, HOUR // 10)]
    return [event(at, key_id=key_id, input_tokens=9_000, output_tokens=900) for at in times]
