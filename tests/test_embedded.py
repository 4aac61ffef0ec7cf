import json
from pathlib import Path

import aiohttp
import pytest

from pipeline.config import Config, Serve, Store
from pipeline.default_rules import default_rules
from pipeline.embedded import embedded
from pipeline.engine.stage import DetectStage
from pipeline.memory_bus import BusLog
from schemas.topics import DEAD_LETTERS, MESSAGE_BYTES_MAX, SPEND_WINDOWS, USAGE_EVENTS
from tests.support.crashing_bus import CrashingBus

START = 1_767_225_600.0


def _event(number: int) -> tuple[str, bytes]:
    event = {
        "event_id": f"e{number}",
        "occurred_at": START + number,
        "key_id": f"k{number % 3}",
        "cost_usd": 0.5,
    }
    return str(event["key_id"]), json.dumps(event).encode()


async def test_a_stage_that_died_goes_on_where_it_was() -> None:
    config = Config()
    first, second = (DetectStage(default_rules(config)) for _ in range(2))
    bus = CrashingBus([first], lambda: START + 1000)
    log = BusLog(bus)
    await log.send_packed([_event(number) for number in range(6)])
    await bus.run_until_quiet()
    bus.restart(first, second)
    await log.send_packed([_event(number) for number in range(4, 9)])
    await bus.run_until_quiet()
    totals = [json.loads(message.value) for message in bus.topics[SPEND_WINDOWS.name]]
    days = {w["key_id"]: w["spend_usd"] for w in totals if w["granularity"] == "1d"}
    assert days == {"k0": 1.5, "k1": 1.5, "k2": 1.5}


async def test_a_bad_event_is_a_dead_letter_and_the_rest_goes_on() -> None:
    bus = CrashingBus([DetectStage(default_rules(Config()))], lambda: START + 1000)
    await BusLog(bus).send_packed([_event(1), ("k", b"garbage"), _event(2)])
    await bus.run_until_quiet()
    (letter,) = (json.loads(message.value) for message in bus.topics[DEAD_LETTERS.name])
    assert (letter["reason"], letter["index"]) == ("not_json", 1)
    assert bus.topics[SPEND_WINDOWS.name]


async def test_packed_messages_are_never_too_large() -> None:
    bus = CrashingBus([], lambda: START)
    await BusLog(bus).send_packed([("k", b"x" * 500_000)] * 5)
    sizes = [len(message.value) for message in bus.topics[USAGE_EVENTS.name]]
    assert sizes == [500_000] * 5
    assert max(sizes) <= MESSAGE_BYTES_MAX


@pytest.mark.parametrize("path", ["/healthz", "/"])
async def test_it_serves_what_the_stages_made(tmp_path: Path, path: str) -> None:
    config = Config(store=Store(path=tmp_path / "store"), serve=Serve(port=0))
    async with embedded(config, lambda: START + 1000) as parts:
        await parts.log.send_packed([_event(number) for number in range(6)])
        await parts.settle()
        assert parts.store.query("SELECT count() FROM v_usage_events").rows == [(6,)]
        async with aiohttp.ClientSession() as session, session.get(parts.url + path) as answer:
            assert answer.status == 200
