"""The broker of the test session, and topics of its own for each test."""

import uuid
from collections.abc import Iterator

import pytest

from pipeline.config import Config
from pipeline.config import Kafka as KafkaConfig
from pipeline.workers.topics_admin import create_topics
from tests.support.kafka import Broker, open_broker

_names: list[str] = []


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A real broker; the summary of the run says which."""
    with open_broker() as broker:
        _names.append(broker.name)
        # In a process of pytest-xdist, what is put here reaches the one that sums up.
        getattr(request.config, "workeroutput", {})["kafka"] = broker.name
        yield broker


@pytest.fixture
def topics(kafka: Broker) -> KafkaConfig:
    """How to reach fresh topics, with time-outs for tests."""
    config = KafkaConfig(
        brokers=kafka.bootstrap,
        topic_prefix=f"t{uuid.uuid4().hex[:8]}.",
        partitions=4,
        checkpoint_seconds=0.3,
        session_timeout_seconds=2.0,
    )
    create_topics(Config(kafka=config))
    return config


def pytest_testnodedown(node: object, error: object) -> None:
    """Take over what a process of pytest-xdist ran on."""
    del error
    name = getattr(node, "workeroutput", {}).get("kafka")
    if name is not None and name not in _names:
        _names.append(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which broker the tests ran on."""
    for name in _names:
        terminalreporter.write_line(f"Kafka: {name}")
