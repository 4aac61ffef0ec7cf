"""Roles live and end together."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from pipeline.config import Config, Kafka
from pipeline.logs import DEBUG_VARIABLE
from pipeline.workers.run import WorkerFailedError, _supervise, run_roles
from pipeline.workers.topics_admin import BrokerError

FOLDER = "LEAKLINE_TEST_FOLDER"


def play(role: str, config: Config) -> None:
    """A role that leaves traces of how it lived and ended."""
    del config
    traces = Path(os.environ[FOLDER])

    def end(*_: object) -> None:
        (traces / f"{role}.ended").touch()
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    (traces / f"{role}.started").touch()
    if role == "breaks":
        _wait_for(traces / "stays.started")
        raise ValueError("token Bearer abcdefghijkl was refused\nwith a second line")
    if role == "leaves":
        _wait_for(traces / "stays.started")
        return
    time.sleep(60)


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.02)


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


def test_a_role_that_breaks_stops_the_others(
    traces: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WorkerFailedError, match="breaks"):
        _supervise(Config(), ["breaks", "stays"], play)
    assert (traces / "stays.ended").exists()
    said = capfd.readouterr().err
    assert " ERROR breaks pipeline.workers.run: ValueError" in said
    assert "abcdefghijkl" not in said
    assert "Traceback" not in said


def test_whoever_wants_to_know_is_shown_where_a_role_broke(
    traces: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    with pytest.raises(WorkerFailedError, match="breaks"):
        _supervise(Config(), ["breaks", "stays"], play)
    assert (traces / "stays.ended").exists()
    assert "in play\n" in capfd.readouterr().err


def test_a_role_that_leaves_stops_the_others(traces: Path) -> None:
    with pytest.raises(WorkerFailedError, match="leaves"):
        _supervise(Config(), ["leaves", "stays"], play)
    assert (traces / "stays.ended").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_in_order(traces: Path, number: signal.Signals) -> None:
    def when_started(then: Callable[[], None]) -> None:
        for role in ("one", "two"):
            _wait_for(traces / f"{role}.started")
        then()

    send = threading.Thread(target=when_started, args=(lambda: os.kill(os.getpid(), number),))
    send.start()
    _supervise(Config(), ["one", "two"], play)
    send.join()
    assert (traces / "one.ended").exists()
    assert (traces / "two.ended").exists()


def say(role: str, config: Config) -> None:
    """A role that has something to say."""
    del config
    logging.getLogger("pipeline.sink").info("%s\nhas said", role)
    logging.getLogger("aiokafka").info("joined")


def test_what_a_role_says_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkerFailedError):
        _supervise(Config(), ["talks"], say)
    said = capfd.readouterr()
    assert said.out == ""
    of_a_stage, of_a_library = said.err.splitlines()
    assert of_a_stage.endswith(r" INFO talks pipeline.sink: talks\nhas said")
    assert of_a_library.endswith(" INFO talks aiokafka: joined")


@pytest.mark.usefixtures("traces")
def test_a_signal_while_the_roles_are_started_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    start = SpawnProcess.start

    def and_a_signal(process: SpawnProcess) -> None:
        start(process)
        if process.name == "one":
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(SpawnProcess, "start", and_a_signal)
    _supervise(Config(), ["one", "two"], play)  # else the second is killed, which raises


def test_no_broker_is_said_before_anything_starts() -> None:
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        run_roles(Config(kafka=Kafka(brokers="127.0.0.1:1")), ["detect", "sink"])
