"""The real stack for the fault suite: Apache Kafka, workers as processes that are started again
when they end, ClickHouse's HTTP front, a Slack and a gateway; and traffic that never stops.
"""

import asyncio
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from pydantic import SecretStr

from pipeline.config import Config, Gateway, Kafka, Response, Serve, Slack
from pipeline.config import Store as StoreConfig
from pipeline.demo.config_file import write_config
from pipeline.demo.fake_gateway import FakeGateway
from pipeline.demo.fake_slack import FakeSlack
from pipeline.store import Store
from pipeline.workers.connection import client_settings, topic_name
from pipeline.workers.local_kafka import free_ports
from pipeline.workers.topics_admin import create_topics
from schemas.topics import TOPICS
from tests.faults.real_traffic import PARTITIONS, TOKEN, RealTraffic
from tests.faults.wrong_clock import set_clock
from tests.support.clickhouse_front import Front
from tests.support.installation import ROOT, environment
from tests.support.kafka import Broker
from tests.support.samples import WEBHOOK_SECRET

ROLES = ("detect", "detect", "sink", "reconcile", "notify", "enforce", "serve")
RESTART_SECONDS = 0.5
SESSION_SECONDS = 3.0
POLICY = """
[brakes]
revocations_per_hour_max = 100000
fleet_share_per_day_max = 1.0
[[rules]]
name = "at-once"
severity = ["page"]
then = "revoke"
"""


@dataclass(eq=False)
class Member:
    """A process of leakline, and what becomes of it when it ends."""

    role: str
    process: subprocess.Popen[bytes]
    restarts: int = 0
    started_at: float = field(default_factory=time.monotonic)


@dataclass
class RealStack:
    """Everything that runs, and what went into it."""

    broker: Broker
    config: Config
    traffic: RealTraffic
    front: Front
    slack: FakeSlack
    gateway: FakeGateway
    folder: Path
    members: list[Member] = field(default_factory=list)
    refusals: int = 0
    """Actions that the gateway was told to refuse for good."""
    rebuilds: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(2))  # noqa: S311 # no secret
    resting: set[str] = field(default_factory=set)
    """Roles that are not started again when they end."""

    def find(self, role: str) -> list[Member]:
        """The workers of a role."""
        return [each for each in self.members if each.role == role]

    @property
    def clock(self) -> Path:
        """By how much the clocks of all processes are wrong; see `wrong_clock`."""
        return self.folder / "clock"

    def start(self, role: str) -> subprocess.Popen[bytes]:
        """A process of a role; what it says goes into a file for all."""
        words = ("serve",) if role == "serve" else ("run", "--role", role)
        with (self.folder / "workers.log").open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "tests.faults.wrong_clock", str(self.clock), *words,
                 "--config", str(self.folder / "leakline.toml")],
                cwd=ROOT, env=environment(), stdout=output, stderr=output,
            )  # fmt: skip

    def leakline(self, *words: str) -> tuple[int, str]:
        """Run a command to its end: its exit code, and what it said."""
        done = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "pipeline.cli", *words,
             "--config", str(self.folder / "leakline.toml")],
            cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    async def keep_alive(self) -> None:
        """Start again what has ended, as a supervisor does; until cancelled."""
        while True:
            for member in list(self.members):
                if member.process.poll() is not None and member.role not in self.resting:
                    member.process = self.start(member.role)
                    member.restarts += 1
                    member.started_at = time.monotonic()
            await asyncio.sleep(RESTART_SECONDS)


def suspend(member: Member) -> None:
    """Stop a process where it is."""
    os.kill(member.process.pid, signal.SIGSTOP)


def resume(member: Member) -> None:
    """Let it go on."""
    os.kill(member.process.pid, signal.SIGCONT)


@asynccontextmanager
async def real_stack(broker: Broker, folder: Path) -> AsyncIterator[RealStack]:
    """Start everything; traffic begins when `traffic.flowing` is set."""
    front = Front(folder / "clickhouse")
    front.start()
    slack, gateway = FakeSlack(), FakeGateway(WEBHOOK_SECRET)
    await slack.start()
    await gateway.start()
    config = _config(broker, folder, front, slack, gateway)
    stack = RealStack(broker, config, RealTraffic(config), front, slack, gateway, folder)
    set_clock(stack.clock, 0.0)
    await asyncio.to_thread(_prepare, config, folder)
    await stack.traffic.register()
    stack.members = [Member(role, stack.start(role)) for role in ROLES]
    tasks = [asyncio.create_task(stack.keep_alive()), asyncio.create_task(stack.traffic.flow())]
    try:
        yield stack
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for member in stack.members:
            member.process.kill()
            member.process.wait()
        await slack.stop()
        await gateway.stop()
        await asyncio.to_thread(front.stop)


def _prepare(config: Config, folder: Path) -> None:
    (folder / "policy.toml").write_text(POLICY)
    write_config(config, folder / "leakline.toml")
    create_topics(config)
    _compact_soon(config.kafka)
    with Store.open(config.store) as store:
        store.migrate()


def _compact_soon(kafka: Kafka) -> None:
    """Let the broker compact states again and again, as it does in months."""
    settings = {"segment.ms": "1000", "min.cleanable.dirty.ratio": "0.001"}
    admin = KafkaAdminClient(**client_settings(kafka))
    try:
        names = [topic_name(kafka, topic) for topic in TOPICS if topic.compacted]
        kind = ConfigResourceType.TOPIC
        admin.alter_configs([ConfigResource(kind, name, settings) for name in names])
    finally:
        admin.close()


def _config(
    broker: Broker, folder: Path, front: Front, slack: FakeSlack, gateway: FakeGateway
) -> Config:
    edge = Gateway(
        name="edge",
        url=f"{gateway.url}/webhook",
        probe_url=f"{gateway.url}/status",
        secret=SecretStr(WEBHOOK_SECRET),
        timeout_seconds=1.0,
        allowed_networks=["127.0.0.0/8"],
    )
    return Config.model_construct(
        kafka=Kafka(
            brokers=broker.bootstrap,
            topic_prefix=f"faults-{secrets.token_hex(4)}.",
            partitions=PARTITIONS,
            checkpoint_seconds=0.5,
            session_timeout_seconds=SESSION_SECONDS,
        ),
        store=StoreConfig(host="127.0.0.1", port=front.port, batch_seconds=0.2),
        slack=Slack(
            token=SecretStr(slack.token),
            channel="C0PAGE",
            allowed_users=["U1"],
            base_url=slack.api_url,
        ),
        response=Response(policy=folder / "policy.toml", default_gateway="edge", gateways=[edge]),
        serve=Serve(port=free_ports(1)[0], tokens={"gw": SecretStr(TOKEN)}),
    )
