"""TLS and SASL to Kafka, with every client that leakline has: admin, intake, workers."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from kafka.admin import ACLOperation, ResourceType
from pydantic import SecretStr

from pipeline.config import Config, Kafka, Serve
from pipeline.demo.config_file import write_config
from pipeline.workers.connection import group_name, topic_name
from schemas.codec import encode
from schemas.topics import INCIDENTS, SPEND_WINDOWS
from tests.support.certificates import Authority
from tests.support.events import event
from tests.support.installation import ROOT, Installation, environment
from tests.support.kafka_log import bodies, eventually
from tests.support.secured_kafka import PASSWORD, SecuredKafka, secured_kafka

pytestmark = pytest.mark.kafka

TOKEN = "intake-token"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("certificates")) as broker:
        yield broker


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", None])
async def test_an_event_goes_all_the_way(
    secured: SecuredKafka, tmp_path: Path, mechanism: str | None
) -> None:
    """None: by a client's certificate."""
    kafka = secured.settings(mechanism, topic_prefix=f"t{uuid.uuid4().hex[:8]}.")
    serve = Serve(port=0, tokens={"test": SecretStr(TOKEN)})
    with Installation(Config.model_construct(kafka=kafka, serve=serve), tmp_path) as here:
        here.run("init", "--no-tables")
        here.start("run", "--role", "detect")
        url = here.serve()
        async with aiohttp.ClientSession() as session:
            answer = await session.post(
                f"{url}/v1/intake/events",
                data=encode(event(time.time())),
                headers={
                    "Authorization": f"Bearer {TOKEN}",
                    "Content-Type": "application/json",
                },
            )
            assert answer.status < 300, await answer.text()

        async def counted() -> bool:
            return any(w["requests"] == 1 for w in await bodies(kafka, SPEND_WINDOWS))

        await eventually(counted)
        here.stop()


def refused(kafka: Kafka, folder: Path, *words: str) -> str:
    """What a command says that cannot get in; it ends by itself, in failure, with one line."""
    file = write_config(Config.model_construct(kafka=kafka), folder / "leakline.toml")
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "pipeline.cli", *words, "--config", str(file)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert PASSWORD not in line
    return line


COMMANDS = (("init", "--no-tables"), ("run", "--role", "detect"), ("serve",))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_wrong_password_is_said_in_one_line(
    secured: SecuredKafka, tmp_path: Path, mechanism: str, command: tuple[str, ...]
) -> None:
    kafka = secured.settings(mechanism, sasl_password=SecretStr("wrong"))
    assert "uthentication" in refused(kafka, tmp_path, *command)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_certificate_of_a_stranger_is_said_in_one_line(
    secured: SecuredKafka, tmp_path: Path, command: tuple[str, ...]
) -> None:
    stranger = Authority(tmp_path / "stranger", "stranger").certificate
    kafka = secured.settings("PLAIN", ssl_cafile=stranger)
    assert "certificate" in refused(kafka, tmp_path, *command)


def test_without_a_certificate_nobody_gets_in(secured: SecuredKafka, tmp_path: Path) -> None:
    kafka = secured.settings(None, ssl_certfile=None, ssl_keyfile=None)
    assert "kafka.brokers" in refused(kafka, tmp_path, "init", "--no-tables")


def test_a_group_that_may_not_be_read_is_said(secured: SecuredKafka, tmp_path: Path) -> None:
    kafka = secured.settings("PLAIN", topic_prefix=f"t{uuid.uuid4().hex[:8]}.")
    group = group_name(kafka, "notify")
    with Installation(Config.model_construct(kafka=kafka), tmp_path) as here:
        here.run("init", "--no-tables")
        secured.forbid(ResourceType.GROUP, group, ACLOperation.READ)
        done = here.ask("run", "--role", "notify")
    assert done.returncode == 1
    assert f"no right to read as the group {group}" in done.stderr


def test_a_right_that_is_missing_is_said_before_work_begins(
    secured: SecuredKafka, tmp_path: Path
) -> None:
    kafka = secured.settings("PLAIN", topic_prefix=f"t{uuid.uuid4().hex[:8]}.")
    incidents = topic_name(kafka, INCIDENTS)
    with Installation(Config.model_construct(kafka=kafka), tmp_path) as here:
        here.run("init", "--no-tables")
        secured.forbid(ResourceType.TOPIC, incidents, ACLOperation.WRITE)
    said = refused(kafka, tmp_path, "run", "--role", "detect")
    assert f"no right to write the topic {incidents}" in said
