"""A real LiteLLM proxy: its requests become events, and leakline's webhook kills a key in it."""

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.config import Config, Gateway, Kafka, Response, Serve
from pipeline.workers.producing import EventLog
from schemas.action import Action
from schemas.codec import encode
from schemas.topics import ACTION_RESULTS, ACTIONS, USAGE_EVENTS
from tests.support import litellm_proxy
from tests.support.dumps import dump_topics, found_in
from tests.support.installation import Installation
from tests.support.kafka_log import bodies, read
from tests.support.litellm_proxy import COMPLETION, PROMPT, UPSTREAM_KEY, Proxy, proxy
from tests.support.samples import WEBHOOK_SECRET

pytestmark = [pytest.mark.litellm, pytest.mark.kafka, pytest.mark.timeout(900)]

KEY = "sk-planted-team-a-0f9e8d7c6b5a4938"
STRANGER = "sk-planted-nobody-1a2b3c4d5e6f7089"
KEY_ID = hashlib.sha256(KEY.encode()).hexdigest()
TOKEN = "planted-intake-token"
MASTER_KEY = "sk-planted-master-8d7c6b5a49382716"
SECRETS = (KEY, STRANGER, TOKEN, MASTER_KEY, UPSTREAM_KEY, PROMPT, COMPLETION, WEBHOOK_SECRET)
ADDRESS = "203.0.113.9"


@pytest.fixture(scope="module")
def scripts() -> Path:
    """LiteLLM's, installed if need be."""
    return litellm_proxy.available()


async def test_requests_arrive_and_a_webhook_kills_the_key(
    scripts: Path, topics: Kafka, tmp_path: Path
) -> None:
    serve = Serve(port=0, tokens={"litellm": SecretStr(TOKEN)})
    with Installation(Config.model_construct(kafka=topics, serve=serve), tmp_path) as here:
        url = await asyncio.to_thread(here.serve)
        settings = {
            "LEAKLINE_URL": url,
            "LEAKLINE_TOKEN": TOKEN,
            "LEAKLINE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "LITELLM_MASTER_KEY": MASTER_KEY,
        }
        with proxy(scripts, tmp_path / "proxy", {KEY: "team-a"}, **settings) as gateway:
            assert await asyncio.to_thread(gateway.ask, KEY, ADDRESS) == 200
            assert await asyncio.to_thread(gateway.ask, STRANGER, ADDRESS) == 401
            await here.until(lambda: _count(topics), 2)
            await _revoke(topics, gateway, tmp_path)
            assert await asyncio.to_thread(gateway.ask, KEY, ADDRESS) == 401
            # What was not sent yet is sent before the proxy ends.
            await asyncio.to_thread(gateway.stop)
        await here.until(lambda: _count(topics), 3)
        await asyncio.to_thread(here.stop)
    answered, unknown, refused = await _events(topics)
    assert (answered["key_id"], answered["team"], answered["client_ip"]) == (
        KEY_ID,
        "team-a",
        ADDRESS,
    )
    assert (answered["model"], answered["input_tokens"], answered["output_tokens"]) == (
        "gpt-4o",
        10,
        20,
    )
    assert answered["cost_usd"] == pytest.approx(0.000225)
    assert (unknown["status"], unknown["error_type"]) == (401, "invalid_api_key")
    assert unknown["key_id"] == hashlib.sha256(STRANGER.encode()).hexdigest()
    assert (refused["status"], refused["error_type"]) == (401, "revoked_key")
    assert refused["key_id"] == KEY_ID
    dump = [*await dump_topics(topics), ("the processes", here.said().encode())]
    assert found_in(dump, SECRETS) == set()


async def _revoke(topics: Kafka, gateway: Proxy, folder: Path) -> None:
    """Have leakline revoke the key, until its probe has agreed."""
    told = Gateway(
        name="proxy",
        url=gateway.receiver,
        probe_url=gateway.receiver,
        secret=SecretStr(WEBHOOK_SECRET),
        allowed_networks=["127.0.0.0/8"],
    )
    config = Config.model_construct(kafka=topics, response=Response(gateways=[told]))
    action = Action(
        action_id="act-1",
        incident_id="inc-1",
        key_id=KEY_ID,
        kind="revoke",
        gateway="proxy",
        requested_by="slack:U1",
        requested_at=time.time(),
    )
    async with EventLog(topics) as log:
        await log.send(ACTIONS, KEY_ID, encode(action))
    (folder / "enforcing").mkdir()
    with Installation(config, folder / "enforcing") as here:
        here.start("run", "--role", "enforce")
        await here.until(lambda: _outcomes(topics), [("act-1", "verified", 200)])
        await asyncio.to_thread(here.stop)


async def _outcomes(topics: Kafka) -> list[tuple[str, str, int]]:
    results = await bodies(topics, ACTION_RESULTS, committed=True)
    return [(each["action_id"], each["status"], each["http_status"]) for each in results]


async def _count(topics: Kafka) -> int:
    return len(await _events(topics))


async def _events(topics: Kafka) -> list[dict[str, Any]]:
    """Events on the log, by time."""
    records = await read(topics, USAGE_EVENTS)
    events = [json.loads(line) for record in records for line in record.value.splitlines()]
    return sorted(events, key=lambda event: str(event["occurred_at"]))
