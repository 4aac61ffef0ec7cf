"""Payloads of a real LiteLLM proxy, from their POST to rows in ClickHouse, and no secret there."""

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from pipeline.config import Config, Kafka, Serve
from pipeline.store import Store
from schemas.topics import DEAD_LETTERS, TOPICS, USAGE_EVENTS
from tests.support.dumps import dump_store, dump_topics, found_in
from tests.support.installation import ROOT, Installation, clickhouse
from tests.support.kafka_log import bodies, read

pytestmark = pytest.mark.kafka

TOKEN = "planted-intake-token"
PROMPT = "planted prompt: the recipe is a secret"
COMPLETION = "planted completion: boil it for an hour"
KEY = "sk-planted-4f8a1b7c2d9e6a5b3c0d"
PROVIDER_KEY = "sk-ant-api03-planted-9x8y7z6w5v4u3t2s1r"
PLANTED = (TOKEN, PROMPT, COMPLETION, KEY, PROVIDER_KEY)


def payloads() -> list[dict[str, Any]]:
    """The eight, as if they were of just now, with secrets wherever LiteLLM could put them."""
    lines = (ROOT / "tests" / "data" / "litellm.jsonl").read_text().splitlines()
    found = [json.loads(line)["payload"] for line in lines]
    shift = time.time() - 60 - max(payload["endTime"] for payload in found)
    return [_planted(_later(payload, shift)) for payload in found]


def _later(payload: dict[str, Any], seconds: float) -> dict[str, Any]:
    times = ("startTime", "endTime", "completionStartTime")
    return payload | {name: payload[name] + seconds for name in times}


def _planted(payload: dict[str, Any]) -> dict[str, Any]:
    error = (payload["error_information"] or {}) | {
        "error_message": f"{(payload['error_information'] or {}).get('error_message')} {PROMPT}",
        "traceback": f"{PROMPT} {PROVIDER_KEY}",
    }
    metadata = payload["metadata"] | {
        "requester_metadata": {"headers": {"authorization": f"Bearer {KEY}", "x-note": PROMPT}},
        "requester_custom_headers": {"x-api-key": PROVIDER_KEY},
        "spend_logs_metadata": {"note": COMPLETION},
    }
    return payload | {
        "messages": [{"role": "user", "content": PROMPT}],
        "response": {"choices": [{"message": {"content": COMPLETION}}]},
        "error_str": f"{PROMPT} was refused for {KEY}",
        "error_information": error,
        "metadata": metadata,
        "model_parameters": {"api_key": PROVIDER_KEY},
        "request_tags": [*(payload["request_tags"] or []), f"key={KEY}"],
        "end_user": PROVIDER_KEY,
        "user_agent": f"curl/7.88.1 ({KEY})",
    }


async def test_real_payloads_arrive_and_nothing_that_is_secret(
    topics: Kafka, tmp_path: Path
) -> None:
    tokens = {"litellm": SecretStr(TOKEN)}
    with clickhouse(tmp_path / "clickhouse") as address:
        config = Config.model_construct(
            kafka=topics, store=address, serve=Serve(port=0, tokens=tokens)
        )
        with Installation(config, tmp_path) as here:
            await asyncio.to_thread(here.run, "init")
            url = await asyncio.to_thread(here.serve)
            here.start("run", "--role", "detect,sink")
            accepted = await _post(url, [*payloads(), _planted(payloads()[0]) | {"id": None}])
            assert accepted == (8, 1)
            with Store.open(address) as store:

                async def stored() -> list[int]:
                    tables = ("usage_events", "dead_letters")
                    return [await asyncio.to_thread(rows_in, store, table) for table in tables]

                await here.until(stored, [8, 1])
                await asyncio.to_thread(here.stop)
                await _assert_all_there(topics, store)
                dump = [*dump_store(store), *await dump_topics(topics)]
            dump.append(("the processes", here.said().encode()))
    places = {place for place, _ in dump}
    assert places >= {topics.topic_prefix + topic.name for topic in TOPICS}
    assert places >= {"usage_events", "spend_windows", "dead_letters"}
    assert found_in(dump, PLANTED) == set()


def test_a_planted_secret_would_be_found() -> None:
    letters = [base64.b64encode(b"x" * before + KEY.encode() + b"\n") for before in range(3)]
    dump = [(str(number), data) for number, data in enumerate([*letters, b"a " + KEY.encode()])]
    assert found_in(dump, PLANTED) == {(str(number), KEY) for number in range(4)}


def rows_in(store: Store, table: str) -> int:
    """How many rows a table has."""
    return int(store.query(f"SELECT count() FROM v_{table}").rows[0][0])  # noqa: S608 - ours


async def _post(url: str, items: list[dict[str, Any]]) -> tuple[int, int]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        ClientSession(url, headers=headers) as session,
        session.post("/v1/intake/litellm", json=items) as answer,
    ):
        assert answer.status == 200
        said = await answer.json()
        return said["accepted"], said["rejected"]


async def _assert_all_there(topics: Kafka, store: Store) -> None:
    """The same requests on the log and in the table, with their prices and sources."""
    lines = [line for r in await read(topics, USAGE_EVENTS) for line in r.value.splitlines()]
    events = {event["event_id"]: event for event in map(json.loads, lines)}
    rows = store.query(
        "SELECT event_id, key_id, status, input_tokens, output_tokens, client_ip, priced"
        " FROM v_usage_events"
    ).rows
    assert len(events) == len(rows) == 8
    for event_id, key_id, status, input_tokens, output_tokens, client_ip, priced in rows:
        event = events[event_id]
        assert key_id == event["key_id"]
        assert status == event.get("status", 200)
        assert (input_tokens, output_tokens) == (
            event.get("input_tokens", 0),
            event.get("output_tokens", 0),
        )
        assert client_ip == event["client_ip"]
        assert priced
    assert sorted(event.get("error_type", "") for event in events.values()) == [
        *[""] * 4,
        "invalid_api_key",
        "revoked_key",
        "revoked_key",
        "server_error",
    ]
    (letter,) = await bodies(topics, DEAD_LETTERS)
    assert letter["reason"] == "missing_field"
