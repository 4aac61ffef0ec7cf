"""The demo as a newcomer sees it: everything real but Slack and the gateway."""

import asyncio
import io
import re
import socket
import time
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.cli.demo import DEFAULT_FOLDER
from pipeline.config import Store as StoreConfig
from pipeline.demo.fleet import LIVE_AFTER_SECONDS, DemoFleet, demo_fleet
from pipeline.demo.run import run_demo
from pipeline.simulate import FleetSettings
from pipeline.store import Store
from schemas.fields import epoch
from tests.architecture import readme
from tests.cli.conftest import Leakline, leakline
from tests.support.events import DAY, HOUR, START, control, messages, run

__all__ = ["leakline"]  # a fixture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "store"


@pytest.fixture(scope="module")
def shown(folder: Path) -> str:
    output = io.StringIO()
    console = Console(file=output, width=100, highlight=False)
    asyncio.run(run_demo(console, folder, keep_serving=False))
    return output.getvalue()


def test_the_theft_is_paged_and_the_key_revoked(shown: str) -> None:
    assert re.search(r"  PAGE    key-\w+  leaked, risk 0\.\d\d", shown)
    assert "[ Revoke ]" in shown
    assert "/v1/slack/interactions answers 200" in shown
    assert re.search(r"revoke of key-\w+: verified \(HTTP 200\)", shown)
    assert re.search(r"the gateway now refuses key-\w+", shown)


def test_the_page_comes_before_much_is_lost(shown: str) -> None:
    seconds = re.search(r"to page: (\d+) s of event time, \$([\d.]+) lost", shown)
    assert seconds is not None
    assert int(seconds[1]) <= 120
    assert float(seconds[2]) <= 5
    assert "pages about honest keys: 0" in shown


def test_the_store_tells_the_same_story(shown: str, folder: Path) -> None:
    events = re.search(r"([\d,]+) events of \d+ keys", shown)
    assert events is not None
    with Store.open(StoreConfig(path=folder)) as store:
        stored = store.query("SELECT count() FROM v_usage_events").rows[0][0]
        causes = store.query("SELECT cause FROM v_incidents WHERE severity = 'page'").rows
        results = store.query("SELECT status FROM v_action_results").rows
    assert stored > int(events[1].replace(",", ""))
    assert causes == [("leaked",)]
    assert results == [("verified",)]


def test_the_fleet_ends_within_the_last_day_and_holds_one_theft() -> None:
    now = time.time()
    fleet: DemoFleet = demo_fleet(now)
    last = max(epoch(event.occurred_at) for event in [*fleet.history, *fleet.live])
    assert now - DAY - 60 < last <= now
    assert epoch(fleet.theft.started_at) == pytest.approx(last - LIVE_AFTER_SECONDS, abs=60)
    assert max(epoch(event.occurred_at) for event in fleet.history) < epoch(fleet.theft.started_at)


@pytest.mark.parametrize("day", range(7))
def test_the_thief_alone_pages_on_every_day_of_the_week(day: int) -> None:
    fleet = demo_fleet(START + day * DAY)
    log = [control("key", record) for record in fleet.keys]
    log += messages([*fleet.history, *fleet.live], 200)
    assert {each.key_id for each in run(log, together=20).pages()} == {fleet.theft.key_id}


def test_the_hour_at_which_it_is_shown_changes_nothing() -> None:
    last = epoch(demo_fleet(START + DAY).live[-1].occurred_at)
    soon, late = (demo_fleet(last + seconds).live for seconds in (60.0, 23 * HOUR))
    assert soon == late


def test_a_fleet_without_a_theft_is_refused() -> None:
    with pytest.raises(ValueError, match="no key is attacked"):
        demo_fleet(time.time(), FleetSettings(keys=2, days=1, attack_rate=0.0))


def test_a_folder_that_holds_something_is_left_alone(leakline: Leakline, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    outcome = leakline("demo", "--store", tmp_path)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert tmp_path != DEFAULT_FOLDER


@pytest.mark.parametrize("words", ["--open-console", "--port 8787"])
def test_a_console_does_not_go_with_streaming(
    leakline: Leakline, tmp_path: Path, words: str
) -> None:
    outcome = leakline("demo", "--streaming", *words.split(), "--store", tmp_path / "new")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "--open-console and --port: with --streaming" in outcome.err
    assert not (tmp_path / "new").exists()


def test_a_port_that_is_taken_is_told_as_the_server_does(
    leakline: Leakline, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = leakline("demo", "--port", port, "--store", tmp_path / "new")
    assert outcome.code == 1
    assert outcome.err == (
        f"leakline: serve: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


def test_the_readme_shows_this_demo(shown: str) -> None:
    (said,) = (
        output
        for session in readme.sessions(readme.README.read_text())
        for command, output in session
        if command == "make demo"
    )
    assert _steps(shown) == _steps(said) != []


def _steps(output: str) -> list[str]:
    return [line for line in output.splitlines() if re.match(r"\d\. [A-Z]|In short", line)]
