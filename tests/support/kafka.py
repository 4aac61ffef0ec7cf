"""A broker for the tests: named in the environment, in Docker, or from Maven Central.

Also for benchmarks: `with open_broker() as broker: …`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from pipeline.workers.local_kafka import LocalKafka

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "kafka"
VARIABLE = "LEAKLINE_TEST_KAFKA"
KIND_VARIABLE = "LEAKLINE_TEST_KAFKA_KIND"
"""`docker` or `maven`: take this one, and no other."""
DOCKER_IMAGE = "confluentinc/cp-kafka:8.0.0"


class Broker:
    """A running broker."""

    def __init__(self, name: str, bootstrap: str, process: LocalKafka | None = None) -> None:
        self.name = name
        self.bootstrap = bootstrap
        self._process = process

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
        BrokerUnavailableError: there is none; the text says why.
    """
    named = os.environ.get(VARIABLE)
    if named:
        yield Broker(f"{VARIABLE}={named}", named)
        return
    kind = os.environ.get(KIND_VARIABLE)
    if kind == "docker" or (kind is None and _docker_answers()):
        with _container() as broker:
            yield broker
        return
    kafka = LocalKafka(CACHE)
    try:
        kafka.start()
        yield Broker("Apache Kafka 4.1 (Maven)", kafka.bootstrap, kafka)
    finally:
        kafka.close()


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
