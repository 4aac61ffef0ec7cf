"""A simulated fleet through the commands, as a newcomer would do it."""

import json
from pathlib import Path

import pytest

from pipeline.cli.app import app
from tests.cli.conftest import Leakline

NAMES = ("events", "provider-usage", "keys", "labels", "incidents")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("fleet")
    files = {name: root / f"{name}.jsonl" for name in NAMES}
    options = [word for name in NAMES[:4] for word in (f"--{name}", str(files[name]))]
    app(
        ["simulate", "--preset", "small", "--key-count", "12", "--days", "5", *options],
        standalone_mode=False,
    )
    replayed = [word for n in ("events", "keys", "incidents") for word in (f"--{n}", str(files[n]))]
    app(["replay", *replayed], standalone_mode=False)
    return files


def test_a_replay_gives_the_same_incidents_again(
    leakline: Leakline, fleet: dict[str, Path]
) -> None:
    outcome = leakline(
        "replay", "--events", fleet["events"], "--keys", fleet["keys"], "--incidents", "-"
    )
    assert outcome.out == fleet["incidents"].read_text()


def test_incidents_are_held_against_labels(leakline: Leakline, fleet: dict[str, Path]) -> None:
    files = [f"--{n}={fleet[n]}" for n in ("incidents", "labels", "events")]
    assert "key-weeks" in leakline("evaluate", *files).out
    assert "key_weeks" in json.loads(leakline("evaluate", *files, "--json").out)


def test_every_key_can_be_explained(leakline: Leakline, fleet: dict[str, Path]) -> None:
    for line in fleet["keys"].read_text().splitlines()[:3]:
        key_id = json.loads(line)["key_id"]
        outcome = leakline("explain", key_id, "--events", fleet["events"], "--keys", fleet["keys"])
        assert outcome.code == 0
        assert outcome.out.startswith(f"{key_id}: ")
        assert "It did not page" in outcome.out or " page, " in outcome.out


def test_a_provider_key_that_only_a_bill_names_can_be_explained(
    leakline: Leakline, tmp_path: Path
) -> None:
    at, events, bills = 1_767_225_600, tmp_path / "events.jsonl", tmp_path / "bills.jsonl"
    events.write_text(json.dumps({"event_id": "e", "occurred_at": at, "key_id": "another"}))
    bill = {"provider": "openai", "provider_key_id": "p", "cost_usd": 300, "input_tokens": 10**7}
    times = {"window_start": at, "window_end": at + 3600, "observed_at": at + 7200}
    bills.write_text(json.dumps(bill | times))
    outcome = leakline("explain", "p", "--events", events, "--provider-usage", bills)
    first, told, *_ = outcome.out.splitlines()
    assert (outcome.code, first) == (0, "p: 0 events, $0.00")
    assert "open page, off_gateway" in told


def test_a_policy_is_rehearsed(leakline: Leakline, fleet: dict[str, Path], tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rules]]\nname = "all"\nthen = "ask"\n')
    outcome = leakline("policy", "test", "--policy", policy, "--incidents", fleet["incidents"])
    assert outcome.code == 0
    count = len(fleet["incidents"].read_text().splitlines())
    assert outcome.err == f"{count} decisions\n"


def test_a_broken_policy_is_a_usage_error(leakline: Leakline, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rules]]\nname = "all"\nthen = "pray"\n')
    outcome = leakline("policy", "test", "--policy", policy, "--incidents", policy)
    assert outcome.code == 2
    assert outcome.err.startswith("leakline: rules.0.then: ")
