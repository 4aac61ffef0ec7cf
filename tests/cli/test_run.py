"""`leakline run` and `leakline serve` before they have begun: mistakes and signals."""

import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.cli.app import app
from pipeline.cli.problems import run_guarded
from pipeline.config import Config, Kafka
from pipeline.roles import ROLES
from tests.support.installation import Installation

MISTAKES = """
keys = "/nowhere/keys.jsonl"
[kafka]
brokers = "127.0.0.1:1"
[sources]
country_mmdb = "/nowhere/country.mmdb"
[response]
policy = "/nowhere/policy.toml"
default_gateway = "b"
[[response.gateways]]
name = "a"
url = "ftp://example.com"
secret = "short"
"""


def run(config: str, folder: Path, *words: str) -> int:
    file = folder / "leakline.toml"
    file.write_text(config)
    arguments = ["run", *words, "--config", str(file)]
    return run_guarded(lambda: app(arguments, prog_name="leakline", standalone_mode=False))


def test_all_mistakes_are_said_before_anything_starts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(MISTAKES, tmp_path) == 2
    said = capfd.readouterr().err
    for part in (
        "keys: /nowhere/keys.jsonl is no file",
        "sources.country_mmdb: /nowhere/country.mmdb is no file",
        "response.default_gateway: there is no gateway b",
        "response.gateways.a.url: must begin with https://",
        "response.gateways.a.secret:",
        "response.policy: /nowhere/policy.toml",
    ):
        assert part in said
    assert "Traceback" not in said


def test_a_role_does_not_need_the_files_of_others(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(MISTAKES.partition("[sources]")[0], tmp_path, "--role", "detect") == 1
    assert "keys" not in capfd.readouterr().err


def test_a_policy_that_cannot_be_read_is_said_and_leaves_it_to_people(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = '[kafka]\nbrokers = "127.0.0.1:1"\n[response]\npolicy = "/nowhere/policy.toml"\n'
    assert run(config, tmp_path, "--role", "enforce") == 1
    policy, broker = capfd.readouterr().err.splitlines()
    assert "response.policy: /nowhere/policy.toml" in policy
    assert "kafka.brokers" in broker


@pytest.mark.parametrize("words", [("--role", "poll"), ("--role", "detect,poll")])
def test_who_is_to_ask_nobody_is_told_what_to_set(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run('[kafka]\nbrokers = "127.0.0.1:1"\n', tmp_path, *words) == 2
    said = capfd.readouterr().err
    assert "poll: has nobody to ask: set poll.openai_admin_key or poll.anthropic_admin_key" in said


@pytest.mark.parametrize("provider", [None, "openai", "anthropic"])
def test_poll_is_run_when_there_is_somebody_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str | None
) -> None:
    played: list[str] = []

    def play(config: Config, roles: Sequence[str]) -> int:
        del config
        played.extend(roles)
        return 0

    monkeypatch.setattr("pipeline.workers.run_roles", play)
    key = f'[poll]\n{provider}_admin_key = "sk-admin"\n' if provider else ""
    assert run(key, tmp_path) == 0
    assert played == [role for role in ROLES if role != "poll" or provider]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_signal_before_anything_has_begun_is_no_failure(
    tmp_path: Path, command: str, number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = "{}:{}".format(*silent.getsockname())
        config = Config.model_construct(kafka=Kafka(brokers=broker))
        with Installation(config, tmp_path) as here:
            process = here.start(command)
            asking, _ = silent.accept()
            with asking:
                process.send_signal(number)
                assert process.wait(30) == 0
