"""The demo on Kafka: the roles as processes, the log at a broker, everything else as before."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from pipeline.config import Config, Kafka
from pipeline.config import Store as StoreConfig
from pipeline.demo import show
from pipeline.demo.config_file import write_config
from pipeline.demo.fleet import DemoFleet, batches, demo_fleet
from pipeline.demo.run import HISTORY_BATCH, LIVE_BATCH, DemoError
from pipeline.demo.slack_conversations import SlackMessage
from pipeline.demo.stand_ins import ENGINEER, StandIns, stand_ins
from pipeline.roles import configured_roles
from pipeline.store import Store
from pipeline.workers.connection import client_settings, group_name, topic_name
from pipeline.workers.local_kafka import LocalKafka, free_ports
from pipeline.workers.producing import EventLog
from pipeline.workers.topics_admin import create_topics
from schemas.codec import encode
from schemas.topics import (
    ACTION_RESULTS,
    ACTIONS,
    KEYS,
    RECORD_HEADER,
    USAGE_EVENTS,
    VERDICTS,
)

T = TypeVar("T")
START_SECONDS_MAX = 60.0
PAGE_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 20.0
STORED_SECONDS_MAX = 20.0
LIVE_PAUSE_SECONDS = 0.05


async def run_streaming_demo(console: Console, folder: Path, brokers: str | None) -> None:
    """Show the same with Faust workers on Kafka.

    Args:
        console: where it is shown.
        folder: of the embedded store; new.
        brokers: comma-separated `host:port`; None starts Apache Kafka on this machine.

    Raises:
        DemoError: it did not work.
        BrokerUnavailableError: no broker can be started here.
        BrokerError: the broker given cannot be used.
    """
    with _broker(console, brokers) as bootstrap:
        async with stand_ins() as others:
            kafka = Kafka(
                brokers=bootstrap,
                topic_prefix=f"demo-{secrets.token_hex(4)}-",
                partitions=4,
                checkpoint_seconds=1.0,
            )
            (port,) = free_ports(1)
            config = others.config(folder, port, kafka)
            await _play(console, config, others)


async def _play(console: Console, config: Config, others: StandIns) -> None:
    created = await asyncio.to_thread(create_topics, config)
    show.line(console, f"{len(created)} topics created")
    with Store.open(config.store) as store:
        store.migrate()
    fleet = await asyncio.to_thread(demo_fleet, time.time() - 1)
    name = fleet.theft.key_id
    async with _processes(console, config) as url:
        await _feed(console, config, fleet)
        message = await _until(lambda: others.page_about(name), PAGE_SECONDS_MAX)
        if message is None:
            raise DemoError(f"{name}: the theft was not paged")
        show.heading(console, "3. The engineer on call is paged")
        show.slack_message(console, message, "on-call")
        await _revoke(console, others, message, url, name)
        await _stored(config.kafka)
    show.heading(console, "5. What ClickHouse knows about it")
    with Store.open(config.store) as store:
        show.sources(console, store, config.store.path, name)
        for row in store.query("SELECT status, http_status FROM v_action_results").rows:
            show.line(console, f"action_results: {row[0]} (HTTP {row[1]})")


async def _feed(console: Console, config: Config, fleet: DemoFleet) -> None:
    show.heading(console, "1. A week of honest use, packed into messages")
    async with EventLog(config.kafka) as log:
        for record in fleet.keys:
            await log.send(KEYS, record.key_id, encode(record))
            # reconcile does it, too, but perhaps only after the history
            header = {RECORD_HEADER: "key"}
            await log.send(USAGE_EVENTS, record.key_id, encode(record), header)
        for batch in batches(fleet.history, HISTORY_BATCH):
            await log.send_packed(batch)
        show.line(console, f"{len(fleet.history):,} events of {len(fleet.keys)} keys on the log")
        show.heading(console, "2. A key leaks: the last minutes, a few events at a time")
        for batch in batches(fleet.live, LIVE_BATCH):
            await log.send_packed(batch)
            await asyncio.sleep(LIVE_PAUSE_SECONDS)
        show.line(console, f"{len(fleet.live):,} events, most of them the thief's")


async def _revoke(
    console: Console, others: StandIns, message: SlackMessage, url: str, name: str
) -> None:
    show.heading(console, "4. A click on Revoke, signed as Slack signs it")
    where = f"{url}/v1/slack/interactions"
    show.line(
        console,
        f"POST {where} answers {await others.slack.click(message, 'revoke', ENGINEER, where)}",
    )
    if not await _until(lambda: name in others.gateway.revoked, PAGE_SECONDS_MAX):
        raise DemoError(f"{name}: the gateway still lets the key in")
    # The page loses its button when the probe has agreed and notify has heard of it.
    await _until(lambda: "revoke" not in message.buttons, PAGE_SECONDS_MAX)
    show.line(console, f"the gateway now refuses {name}", "bold green")


async def _stored(kafka: Kafka) -> None:
    """Wait until the sink has what came of it, since its workers stop next."""
    parts = [
        TopicPartition(topic_name(kafka, topic), 0) for topic in (ACTIONS, ACTION_RESULTS, VERDICTS)
    ]
    reader = AIOKafkaConsumer(
        **client_settings(kafka),
        group_id=group_name(kafka, "sink"),
        enable_auto_commit=False,
    )
    async with reader:
        reader.assign(parts)
        deadline = time.monotonic() + STORED_SECONDS_MAX
        while time.monotonic() < deadline:
            ends = await reader.end_offsets(parts)
            done = [await reader.committed(part) or 0 for part in parts]
            # The last offset of a topic written in transactions is a marker that nobody reads.
            if all(have >= ends[part] - 1 > 0 for part, have in zip(parts, done, strict=True)):
                return
            await asyncio.sleep(0.2)


async def _until(look: Callable[[], T], seconds_max: float) -> T:
    deadline = time.monotonic() + seconds_max
    while not (found := look()) and time.monotonic() < deadline:  # noqa: ASYNC110 - of others
        await asyncio.sleep(0.1)
    return found


@contextmanager
def _broker(console: Console, brokers: str | None) -> Iterator[str]:
    if brokers:
        yield brokers
        return
    show.line(console, "starting Apache Kafka on this machine (fetched by Maven the first time)")
    broker = LocalKafka()
    try:
        broker.start()
        yield broker.bootstrap
    finally:
        broker.close()


@asynccontextmanager
async def _processes(console: Console, config: Config) -> AsyncIterator[str]:
    """The workers and the server, each a process; the address of the server."""
    with tempfile.TemporaryDirectory(prefix="leakline-demo-") as scratch:
        folder = Path(scratch)
        log = folder / "processes.log"
        # An embedded store has one owner, the sink: the server goes without.
        storeless = config.model_copy(update={"store": StoreConfig(path=folder / "none")})
        started = [
            _start("run", write_config(config, folder / "run.toml"), log),
            _start("serve", write_config(storeless, folder / "serve.toml"), log),
        ]
        url = f"http://{config.serve.host}:{config.serve.port}"
        try:
            await _ready(url, started, log)
            show.line(console, f"workers {', '.join(configured_roles(config))}; server at {url}/")
            yield url
        finally:
            await asyncio.to_thread(_stop, started)


def _start(command: str, config: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEAKLINE_")}
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "pipeline.cli", command, "--config", str(config)],
            env=environment,
            stdout=output,
            stderr=output,
        )


async def _ready(url: str, started: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline and all(each.poll() is None for each in started):
            with suppress(aiohttp.ClientError):
                async with session.get(f"{url}/readyz") as answer:
                    if answer.ok:
                        return
            await asyncio.sleep(0.2)
    raise DemoError(f"the processes did not start: {await asyncio.to_thread(_last_line, log)}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "nothing was said"


def _stop(started: list[subprocess.Popen[bytes]]) -> None:
    for process in started:
        process.send_signal(signal.SIGTERM)
    for process in started:
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
