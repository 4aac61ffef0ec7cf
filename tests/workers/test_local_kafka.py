"""The local broker keeps its data over a crash, and says what it lacks."""

from pathlib import Path

import pytest

from pipeline.config import Config, Kafka
from pipeline.workers import local_kafka
from pipeline.workers.local_kafka import BrokerUnavailableError, LocalKafka, fetch
from pipeline.workers.topics_admin import BrokerError, check_topics
from tests.support.kafka import Broker


@pytest.mark.kafka
def test_topics_survive_a_crash(kafka: Broker, topics: Kafka) -> None:
    config = Config(kafka=topics)
    kafka.kill()
    try:
        with pytest.raises(BrokerError):
            check_topics(config)
    finally:
        kafka.start()
    check_topics(config)


def test_without_maven_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerUnavailableError, match="mvn"):
        fetch(tmp_path / "cache")


def test_without_java_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(BrokerUnavailableError, match="Java"):
        LocalKafka(tmp_path / "cache")


def test_a_failing_maven_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho no such artifact\necho more\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(BrokerUnavailableError, match="mvn failed: no such artifact"):
        fetch(tmp_path / "cache")
    assert local_kafka.pom_file().exists()
