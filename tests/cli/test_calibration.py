"""`leakline calibrate`: a file that a replay takes, from files or the store, or a line why not."""

import asyncio
import json
import re
from pathlib import Path

import msgspec
import pytest

from detectors.calibration import SHIPPED
from pipeline.config import Kafka
from pipeline.engine import PartitionFold
from pipeline.engine.bookkeeping import CALIBRATION_KEY
from pipeline.simulate import FleetSettings, simulate_to_files
from pipeline.workers.role import to_message
from schemas.calibration import Calibration
from schemas.incident import Incident
from schemas.topics import USAGE_EVENTS
from tests.cli.conftest import Leakline
from tests.support.events import rules
from tests.support.kafka_log import read

HISTORY = FleetSettings(keys=24, days=8, seed=11, attack_rate=0.0, volume=0.1)
BUDGET = 200.0


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "events.jsonl"
    simulate_to_files(HISTORY, path)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "leakline.toml"
    path.write_text(f"[detection]\npages_per_1000_key_weeks = {BUDGET}\n")
    return path


def _paged(path: Path) -> set[str]:
    found = [msgspec.json.decode(line, type=Incident) for line in path.read_bytes().splitlines()]
    return {each.key_id for each in found if each.severity == "page"}


def test_a_replay_takes_what_the_command_writes(
    leakline: Leakline, events: Path, config: Path, tmp_path: Path
) -> None:
    written = tmp_path / "calibration.json"
    said = leakline("calibrate", "--events", events, "--config", config, "--output", written)
    assert "held out: pages/1000 kw" in said.out
    assert "budget: 200" in said.out
    calibration = msgspec.json.decode(written.read_bytes(), type=Calibration)
    assert calibration.version in said.out
    shrill = json.loads(written.read_bytes()) | {"page_nats": 1.0, "ticket_nats": 0.5}
    written.write_text(json.dumps(shrill))
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    leakline("replay", "--events", events, "--incidents", before)
    leakline("replay", "--events", events, "--incidents", after, "--calibration", written)
    assert len(_paged(before)) < len(_paged(after))
    key_id = min(_paged(after) - _paged(before))
    explain = ("explain", key_id, "--events", events)
    assert "It did not page" in leakline(*explain).out
    assert "It did not page" not in leakline(*explain, "--calibration", written).out


def test_the_store_is_a_history_too(
    leakline: Leakline, events: Path, config: Path, tmp_path: Path
) -> None:
    store, first = tmp_path / "store", tmp_path / "1.json"
    leakline("replay", "--events", events, "--store", store)
    leakline("calibrate", "--events", events, "--config", config, "--output", first)
    said = leakline("calibrate", "--store", store, "--config", config, "--output", "-")
    assert said.code == 0, said.err
    assert said.out == first.read_text()
    assert "held out: pages/1000 kw" in said.err


def test_of_a_large_store_a_sample_of_whole_keys_is_taken(
    leakline: Leakline, events: Path, config: Path, tmp_path: Path
) -> None:
    store, bills = tmp_path / "store", tmp_path / "bills.jsonl"
    leakline("replay", "--events", events, "--store", store)
    bills.touch()
    config.write_text("[detection]\npages_per_1000_key_weeks = 1000\n")  # so that few keys do
    count = len(events.read_bytes().splitlines())
    words = ("calibrate", "--store", store, "--config", config, "--events-max")
    whole, sampled = leakline(*words, count), leakline(*words, count - 1)
    assert whole.err == ""
    line = f"leakline: the store has {count:,} events: one key in 2 is taken (--events-max)"
    assert sampled.err.splitlines() == [line]
    fitted = [
        re.findall(r"(\d+) honest keys|on (\d+) others", each.out) for each in (whole, sampled)
    ]
    keys, some = (sum(int(n) for pair in found for n in pair if n) for found in fitted)
    assert 0 < some < keys
    refused = leakline(*words, count - 1, "--provider-usage", bills)
    assert (refused.code, "bills are of all" in refused.err) == (2, True)


def test_known_leaks_are_left_out(
    leakline: Leakline, events: Path, config: Path, tmp_path: Path
) -> None:
    keys = sorted({json.loads(line)["key_id"] for line in events.read_bytes().splitlines()})
    labels, verdicts, registry = (tmp_path / f"{name}.jsonl" for name in "lvr")
    span = {"started_at": 0, "ended_at": 1, "label_id": "l", "kind": "theft"}
    labels.write_text(
        "".join(
            json.dumps(span | {"key_id": key_id, "malicious": bad}) + "\n"
            for key_id, bad in ((keys[0], True), (keys[1], False))
        )
    )
    said = {"incident_id": "i", "verdict": "leak", "by": "slack:U1", "at": 1_760_400_000}
    verdicts.write_text(json.dumps(said | {"key_id": keys[2]}))
    registry.write_text(json.dumps({"key_id": keys[3], "canary": True}))
    files = ("--labels", labels, "--verdicts", verdicts, "--keys", registry)
    outcome = leakline("calibrate", "--events", events, "--config", config, *files)
    assert "3 left out as known leaks" in outcome.out


@pytest.mark.kafka
def test_what_is_published_is_in_every_partition(
    leakline: Leakline, topics: Kafka, tmp_path: Path
) -> None:
    written, config = tmp_path / "calibration.json", tmp_path / "leakline.toml"
    calibration = msgspec.structs.replace(SHIPPED, version="2", page_nats=9.0)
    written.write_bytes(msgspec.json.encode(calibration))
    config.write_text(
        f'[kafka]\nbrokers = "{topics.brokers}"\ntopic_prefix = "{topics.topic_prefix}"\n'
        f"partitions = {topics.partitions}\n"
    )
    said = leakline("calibrate", "--calibration", written, "--publish", "--config", config)
    assert said.out == f"2: published to {topics.partitions} partitions\n", said.err
    records = asyncio.run(read(topics, USAGE_EVENTS))
    assert sorted(each.partition for each in records) == list(range(topics.partitions))
    for record in records:
        message = to_message(USAGE_EVENTS.name, record)
        fold = PartitionFold(rules(), record.partition, topics.partitions)
        fold.fold(message)
        states = dict(fold.checkpoint().states)
        assert msgspec.json.decode(states[CALIBRATION_KEY] or b"", type=Calibration) == calibration


def test_a_record_that_cannot_be_read_ends_every_command_alike(
    leakline: Leakline, events: Path, tmp_path: Path
) -> None:
    bad, policy = tmp_path / "bad.jsonl", tmp_path / "policy.toml"
    bad.write_text('{"key_id": 1}')
    policy.touch()
    for arguments in (
        ("calibrate", "--events", events, "--labels", bad),
        ("calibrate", "--events", events, "--keys", bad),
        ("evaluate", "--events", events, "--labels", bad, "--incidents", bad),
        ("policy", "test", "--policy", policy, "--incidents", bad),
    ):
        outcome = leakline(*arguments)
        assert (outcome.code, f"leakline: {bad}:1: " in outcome.err) == (1, True), outcome.err


def test_mistakes_are_told_in_a_line(leakline: Leakline, events: Path, tmp_path: Path) -> None:
    few = leakline("calibrate", "--events", events)
    assert (few.code, "a budget of 5 pages per 1,000 key-weeks needs 200" in few.err) == (1, True)
    none = tmp_path / "none.json"
    none.write_text('{"version": "1"}')
    deaf = tmp_path / "deaf.json"
    deaf.write_bytes(msgspec.json.encode(msgspec.structs.replace(SHIPPED, page_nats=1e9)))
    for arguments, why in (
        (("replay", "--events", events, "--calibration", none), "is no calibration"),
        (("calibrate", "--calibration", none), "goes with --publish alone"),
        (("calibrate", "--calibration", none, "--publish"), "is no calibration"),
        (("calibrate", "--calibration", deaf, "--publish"), "not between 0.1 and 20 nats"),
        (("calibrate", "--events", "-"), "read twice"),
        (("calibrate", "--events", events, "--output", tmp_path / "no" / "1.json"), "no folder"),
    ):
        outcome = leakline(*arguments)
        assert (outcome.code, why in outcome.err) == (2, True), outcome.err
