"""How each Kafka client is told where the broker is, and what topics and groups are called."""

import asyncio
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from pipeline.config import ConfigError, Kafka
from schemas.topics import Topic

PRODUCER_BATCH_BYTES = 512 * 1024
"""What a producer collects into one request to a partition."""
READER_FETCH_BYTES = 8 * 1024 * 1024
READER_WAIT_MS = 20
"""A fetch at the very end waits for records that will not come, as to pass a commit marker."""
REACH_SECONDS_MAX = 5.0
UNREACHED = (KafkaError, OSError, TimeoutError, ValueError)
"""What a client raises that is not let in, by how far it came."""
REQUEST_BYTES_MAX = 1_000_000
"""A message and its overhead; brokers take 1 MiB by default."""


def _is_news(record: logging.LogRecord) -> bool:
    return "in the clear" not in record.getMessage()


for _name in ("aiokafka.conn", "kafka.net.sasl.plain", "kafka.net.sasl.scram"):
    logging.getLogger(_name).addFilter(_is_news)  # each connection would say it; see `exposed`


def topic_name(kafka: Kafka, topic: Topic) -> str:
    """A topic's name at the broker."""
    return kafka.topic_prefix + topic.name


def group_name(kafka: Kafka, role: str) -> str:
    """The consumer group of a role; also the stem of its transactional ids."""
    return f"{kafka.topic_prefix}leakline-{role}"


def ssl_context(kafka: Kafka) -> ssl.SSLContext | None:
    """The TLS settings, or None without TLS.

    Raises:
        ConfigError: a certificate or a key cannot be read.
    """
    if kafka.security_protocol not in {"SSL", "SASL_SSL"}:
        return None
    with _named("ssl_cafile", kafka.ssl_cafile):
        context = ssl.create_default_context(
            cafile=str(kafka.ssl_cafile) if kafka.ssl_cafile is not None else None
        )
    if kafka.ssl_certfile is not None:
        with _named("ssl_keyfile", kafka.ssl_keyfile), _named("ssl_certfile", kafka.ssl_certfile):
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile)
    return context


@contextmanager
def _named(setting: str, path: Path | None) -> Iterator[None]:
    """Say which setting named a file that cannot be used; OpenSSL does not."""
    if path is not None and not path.is_file():
        raise ConfigError(f"kafka.{setting}: {path} is no file")
    try:
        yield
    except OSError as error:
        raise ConfigError(f"kafka.{setting}: {path}: {error}") from None


def exposed(kafka: Kafka) -> str | None:
    """What others on the network can read, in a line; None when they cannot."""
    if kafka.security_protocol != "SASL_PLAINTEXT":
        return None
    mechanism = kafka.sasl_mechanism or "PLAIN"
    password = "" if mechanism != "PLAIN" else "user, password and "
    return f"kafka.security_protocol: SASL_PLAINTEXT: {password}all records go in the clear"


def client_settings(kafka: Kafka) -> dict[str, Any]:
    """The settings that aiokafka's and kafka-python's clients share."""
    settings: dict[str, Any] = {
        "bootstrap_servers": kafka.brokers.split(","),
        "security_protocol": kafka.security_protocol,
    }
    context = ssl_context(kafka)
    if context is not None:
        settings["ssl_context"] = context
    if kafka.security_protocol.startswith("SASL"):
        password = kafka.sasl_password
        settings |= {
            "sasl_mechanism": kafka.sasl_mechanism or "PLAIN",
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": password.get_secret_value() if password else None,
        }
    return settings


async def reach(kafka: Kafka, seconds_max: float = REACH_SECONDS_MAX) -> Kafka:
    """Make sure that one of the brokers lets us in, and name that one alone.

    The clients' own way of saying no is to try again for long, without saying why; and they try
    one broker after the other, each for as long as it takes no notice of them.

    Returns:
        The settings with the broker that was the first to answer; it knows the others.

    Raises:
        KafkaError: none does; a broker says that user or password are wrong.
        OSError: nobody listens, or the certificate is nobody's whom we trust.
        TimeoutError: nobody answers.
    """
    settings = client_settings(kafka)
    brokers = settings.pop("bootstrap_servers")
    asked = [asyncio.create_task(_let_in(broker.strip(), settings)) for broker in brokers]
    refused: list[Exception] = []
    try:
        async with asyncio.timeout(seconds_max):
            for answer in asyncio.as_completed(asked):
                try:
                    return kafka.model_copy(update={"brokers": await answer})
                except UNREACHED as error:
                    refused.append(error)
    except TimeoutError as error:
        refused.append(error)
    finally:
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    raise refused[0]


async def _let_in(broker: str, settings: dict[str, Any]) -> str:
    host, _, port = broker.rpartition(":")
    connection = await create_conn(host.strip("[]"), int(port), **settings)
    connection.close()
    return broker


async def answering(kafka: Kafka) -> Kafka:
    """The settings for a client that is about to start: without brokers that do not answer.

    Where there is no choice, and where none answers, it is left to the client to say so.
    """
    if "," not in kafka.brokers:
        return kafka
    try:
        return await reach(kafka)
    except UNREACHED:
        return kafka


def unreachable(kafka: Kafka, error: Exception) -> str:
    """A line that says which setting to look at, and what went wrong."""
    said = str(error) or type(error).__name__
    return f"kafka.brokers: {kafka.brokers}: {said}".replace("\n", " ")


def producer_settings(kafka: Kafka) -> dict[str, Any]:
    """The settings of every aiokafka producer: acknowledged by all replicas, in order, once."""
    return client_settings(kafka) | {
        "acks": "all",
        "enable_idempotence": True,
        "max_batch_size": PRODUCER_BATCH_BYTES,
        "max_request_size": REQUEST_BYTES_MAX,
    }


def reader_settings(kafka: Kafka) -> dict[str, Any]:
    """The settings of every consumer that reads, past any group, what was committed by now."""
    return client_settings(kafka) | {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "max_partition_fetch_bytes": READER_FETCH_BYTES,
        "fetch_max_wait_ms": READER_WAIT_MS,
    }
