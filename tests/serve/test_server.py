import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from pipeline.config import Kafka
from pipeline.workers.local_kafka import free_ports
from schemas.topics import CLICKS, DEAD_LETTERS, USAGE_EVENTS
from tests.serve.test_slack import CLICK, form, signed
from tests.support.kafka_log import ROOT, bodies, read
from tests.support.server_process import SIGNING_SECRET, ServerProcess

PAYLOADS = (ROOT / "tests" / "data" / "litellm.jsonl").read_text().splitlines()
HEADERS = {"Authorization": "Bearer token-1", "Content-Type": "application/json"}


@pytest.fixture
def server(tmp_path: Path, topics: Kafka) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, topics) as server:
        yield server


@pytest.mark.kafka
async def test_what_is_answered_with_200_is_in_kafka(server: ServerProcess, topics: Kafka) -> None:
    payloads = [json.loads(line)["payload"] | {"startTime": time.time()} for line in PAYLOADS]
    url = await asyncio.to_thread(server.url)
    async with ClientSession(url) as session:
        body = json.dumps([*payloads, {"id": "broken"}])
        async with session.post("/v1/intake/litellm", data=body, headers=HEADERS) as answer:
            assert (await answer.json())["accepted"] == 8
        click = form(CLICK)
        headers = signed(click, time.time(), SIGNING_SECRET)
        async with session.post("/v1/slack/interactions", data=click, headers=headers) as answer:
            assert answer.status == 200
        async with session.get("/readyz") as answer:
            assert answer.status == 200
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 10) == 0
    records = await read(topics, USAGE_EVENTS)
    packed = [json.loads(line) for record in records for line in record.value.splitlines()]
    assert len(packed) == 8
    assert {dict(record.headers)["content-type"] for record in records} == {b"application/x-ndjson"}
    (letter,) = await bodies(topics, DEAD_LETTERS)
    assert letter["reason"] == "missing_field"
    (pressed,) = await read(topics, CLICKS)
    assert (pressed.key, json.loads(pressed.value)["user"]["id"]) == (b"inc-1", "U1")


async def test_an_unreachable_broker_is_one_line(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    server = ServerProcess(tmp_path, Kafka(brokers=f"127.0.0.1:{port}"))
    _, said = await asyncio.to_thread(server.process.communicate, timeout=60)
    assert server.process.returncode == 1
    assert [line for line in said.splitlines() if "leakline: kafka.brokers: " in line]
    assert said.count("kafka.brokers") == 1
    assert "Traceback" not in said


@pytest.mark.kafka
async def test_a_port_in_use_is_one_line(tmp_path: Path, topics: Kafka) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ServerProcess(tmp_path, topics, port=taken.getsockname()[1])
        _, said = await asyncio.to_thread(server.process.communicate, timeout=60)
    assert server.process.returncode == 1  # it may be free again when a supervisor tries it
    assert said.startswith("leakline: serve: cannot listen on ")
    assert said.count("\n") == 1


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("changes", "said"),
    [({"partitions": 5}, "has 4 partitions, not 5"), ({"topic_prefix": "none."}, "missing topics")],
)
async def test_topics_that_are_not_as_configured_are_one_line(
    tmp_path: Path, topics: Kafka, changes: dict[str, object], said: str
) -> None:
    """Else the first events would be the first to find out."""
    server = ServerProcess(tmp_path, topics.model_copy(update=changes))
    _, heard = await asyncio.to_thread(server.process.communicate, timeout=60)
    assert server.process.returncode == 1
    (line,) = heard.splitlines()
    assert said in line
