"""What is said of certificates that cannot be read, and of passwords that anybody can read."""

import logging
from pathlib import Path

import pytest
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.net.sasl.scram import SaslMechanismScram
from pydantic import SecretStr

from pipeline.cli.app import app
from pipeline.cli.problems import run_guarded
from pipeline.config import ConfigError, Kafka
from pipeline.workers.connection import (
    client_settings,
    exposed,
    producer_settings,
    reach,
    reader_settings,
)
from tests.support.certificates import Authority

CLEAR = Kafka(
    brokers="127.0.0.1:1",
    security_protocol="SASL_PLAINTEXT",
    sasl_username="u",
    sasl_password=SecretStr("p"),
)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    good = Authority(tmp_path, "authority").issue("client")
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content)
    for settings, named in (
        ({"ssl_cafile": bad}, "kafka.ssl_cafile"),
        ({"ssl_certfile": bad, "ssl_keyfile": good.key}, "kafka.ssl_certfile"),
        ({"ssl_certfile": good.certificate, "ssl_keyfile": bad}, "kafka.ssl_"),
    ):
        with pytest.raises(ConfigError) as caught:
            client_settings(Kafka.model_validate({"security_protocol": "SSL", **settings}))
        assert str(caught.value).startswith(f"{named}")
        assert content is not None or str(caught.value).endswith("bad.pem is no file")


@pytest.mark.parametrize("words", ["init --no-tables", "serve", "run", "check-config"])
def test_commands_say_so_in_a_line(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, words: str
) -> None:
    config = tmp_path / "leakline.toml"
    config.write_text('[kafka]\nsecurity_protocol = "SSL"\nssl_cafile = "/nowhere.pem"\n')
    arguments = [*words.split(), "--config", str(config)]
    code = run_guarded(lambda: app(arguments, prog_name="leakline", standalone_mode=False))
    out, err = capfd.readouterr()
    said = [line for line in (out + err).splitlines() if "kafka" in line]
    assert code == (1 if words == "check-config" else 2)
    assert len(said) == 1
    assert said[0].endswith("kafka.ssl_cafile: /nowhere.pem is no file")


async def test_no_connection_repeats_that_a_password_can_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = client_settings(CLEAR)
    SaslMechanismPlain(**settings)
    SaslMechanismScram(**settings | {"sasl_mechanism": "SCRAM-SHA-256"})
    with pytest.raises(OSError, match="Connect"):
        await reach(CLEAR)
    assert caplog.messages == []
    logging.getLogger("aiokafka.conn").warning("something else")
    assert caplog.messages == ["something else"]


@pytest.mark.parametrize(
    ("mechanism", "told"), [(None, True), ("PLAIN", True), ("SCRAM-SHA-256", False)]
)
def test_only_a_password_that_is_sent_is_told(mechanism: str | None, told: bool) -> None:  # noqa: FBT001  # a table
    said = exposed(CLEAR.model_copy(update={"sasl_mechanism": mechanism})) or ""
    assert said.endswith("all records go in the clear")
    assert ("password" in said) is told


@pytest.mark.parametrize(
    ("words", "times"), [("check-config --offline", 1), ("run", 1), ("serve", 1), ("init", 0)]
)
def test_a_command_says_it_once(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, words: str, times: int
) -> None:
    config = tmp_path / "leakline.toml"
    config.write_text(
        '[kafka]\nbrokers = "127.0.0.1:1"\nsecurity_protocol = "SASL_PLAINTEXT"\n'
        'sasl_username = "u"\nsasl_password = "p"\n'
    )
    arguments = [*words.split(), "--config", str(config)]
    run_guarded(lambda: app(arguments, prog_name="leakline", standalone_mode=False))
    out, err = capfd.readouterr()
    assert (out + err).count("in the clear") == times


def test_what_is_sent_is_kept_once_and_what_is_read_was_committed() -> None:
    """Brokers do without either unless a client asks for it."""
    sent, read = producer_settings(Kafka()), reader_settings(Kafka())
    assert (sent["acks"], sent["enable_idempotence"]) == ("all", True)
    assert read["isolation_level"] == "read_committed"
    assert read["enable_auto_commit"] is False
