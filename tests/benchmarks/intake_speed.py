"""Events a second through a running server, each acknowledged by Kafka before its answer."""

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import ClientError, ClientSession, TCPConnector

from pipeline.config import Config, Kafka
from pipeline.workers.topics_admin import create_topics
from tests.benchmarks.harness import quantile
from tests.support.kafka import open_broker
from tests.support.resident import peak_mb
from tests.support.server_process import ROOT, ServerProcess

EVENTS_PER_REQUEST = 500
PAYLOADS_PER_REQUEST = 72
BODIES = 40
CLIENTS = 4
SECONDS = 6.0
FLOOD = 10
"""Times the rate that the server sustains."""
FLOOD_SECONDS = 4.0
_HEADERS = {"Authorization": "Bearer token-1", "Content-Type": "application/json"}

Post = Callable[[int], Awaitable[None]]
"""Sends the n-th body."""


def measure() -> dict[str, float]:
    """The figures: native events and LiteLLM payloads a second, and the time of a request."""
    with open_broker() as broker:
        kafka = Kafka(brokers=broker.bootstrap, topic_prefix="intake.", partitions=4)
        create_topics(Config(kafka=kafka))
        return _figures(kafka)


def _figures(kafka: Kafka) -> dict[str, float]:
    serve: dict[str, object] = {"requests_per_second_max": 1e6}
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder), kafka, **serve) as server,
    ):
        url = server.url()
        figures = asyncio.run(_measure(url))
        figures["intake_rss_mb"] = peak_mb(server.process.pid)
        rate = FLOOD * figures["intake_events_per_s"] / EVENTS_PER_REQUEST
        figures |= asyncio.run(_flooded(url, rate))
        figures[f"intake_rss_at_x{FLOOD}_input_mb"] = peak_mb(server.process.pid)
        return figures


async def _measure(url: str) -> dict[str, float]:
    async with ClientSession(url) as session:
        events = _poster(session, "/v1/intake/events", _event_bodies())
        await _rate(events, 1.0)
        native = await _rate(events, SECONDS)
        waits = await _paced(events, native / 2, SECONDS)
        litellm = await _rate(_poster(session, "/v1/intake/litellm", [_payload_body()]), SECONDS)
    return {
        "intake_events_per_s": native * EVENTS_PER_REQUEST,
        "intake_litellm_per_s": litellm * PAYLOADS_PER_REQUEST,
        "intake_p50_ms": quantile(waits, 0.5) * 1000,
        "intake_p99_ms": quantile(waits, 0.99) * 1000,
    }


async def _flooded(url: str, requests_per_second: float) -> dict[str, float]:
    """Send far more than can be taken; the share that was refused."""
    bodies = _event_bodies()
    taken = refused = 0
    start = time.perf_counter()

    async def send(session: ClientSession, number: int) -> None:
        nonlocal taken, refused
        await asyncio.sleep(start + number / requests_per_second - time.perf_counter())
        body = bodies[number % len(bodies)]
        try:
            async with session.post("/v1/intake/events", data=body, headers=_HEADERS) as answer:
                answer.raise_for_status()
                taken += 1
        except ClientError:  # 503, or the connection is closed on the body that nobody wants
            refused += 1

    async with ClientSession(url, connector=TCPConnector(limit=0)) as session:
        numbers = range(int(FLOOD_SECONDS * requests_per_second))
        await asyncio.gather(*(send(session, number) for number in numbers))
    return {f"intake_refused_at_x{FLOOD}_input": refused / (taken + refused)}


def _event_bodies() -> list[bytes]:
    """NDJSON of events of 1,000 keys."""
    lines = [
        json.dumps(
            {
                "event_id": f"chatcmpl-{number:024x}",
                "occurred_at": time.time(),
                "key_id": f"sha256:{number % 1000:064x}",
                "provider": "openai",
                "model": "gpt-4o-mini",
                "operation": "chat",
                "input_tokens": number % 4000,
                "output_tokens": number % 700,
                "latency_ms": 812.5,
                "client_ip": f"198.51.100.{number % 250}",
                "user_agent": "OpenAI/Python 1.99.0",
                "team": "search",
                "environment": "prod",
            }
        )
        for number in range(BODIES * EVENTS_PER_REQUEST)
    ]
    return [
        "\n".join(lines[at : at + EVENTS_PER_REQUEST]).encode()
        for at in range(0, len(lines), EVENTS_PER_REQUEST)
    ]


def _payload_body() -> bytes:
    lines = (ROOT / "tests" / "data" / "litellm.jsonl").read_text().splitlines()
    payloads = [json.loads(line)["payload"] | {"startTime": time.time()} for line in lines]
    return json.dumps(payloads * (PAYLOADS_PER_REQUEST // len(payloads))).encode()


def _poster(session: ClientSession, path: str, bodies: Sequence[bytes]) -> Post:
    async def post(number: int) -> None:
        body = bodies[number % len(bodies)]
        async with session.post(path, data=body, headers=_HEADERS) as answer:
            answer.raise_for_status()
            await answer.read()

    return post


async def _rate(post: Post, seconds: float) -> float:
    """Requests a second of `CLIENTS` clients, each with one request under way."""
    start = time.perf_counter()
    counts = [0] * CLIENTS

    async def client(place: int) -> None:
        while time.perf_counter() - start < seconds:
            await post(place + CLIENTS * counts[place])
            counts[place] += 1

    await asyncio.gather(*(client(place) for place in range(CLIENTS)))
    return sum(counts) / (time.perf_counter() - start)


async def _paced(post: Post, requests_per_second: float, seconds: float) -> list[float]:
    """Seconds that each request took, counted from when it was due."""
    start = time.perf_counter()
    waits: list[float] = []

    async def send(number: int) -> None:
        due = start + number / requests_per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await post(number)
        waits.append(time.perf_counter() - due)

    await asyncio.gather(*(send(number) for number in range(int(seconds * requests_per_second))))
    return waits
