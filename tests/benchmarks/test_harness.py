"""Figures are one flat object that says where it comes from."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import harness
from tests.benchmarks.__main__ import main
from tests.benchmarks.load import Mix, load, pack
from tests.support.events import rules


def test_figures_are_flat_and_say_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "BUILD", tmp_path)
    path = harness.write("bench-x", {"engine_events_per_s": 1.5, "none": None}, "made up")
    written = json.loads(path.read_text())
    assert path.name == "bench-x.json"
    assert written["engine_events_per_s"] == 1.5
    assert {"machine", "commit", "data"} <= set(written)
    assert not any(isinstance(value, dict | list) for value in written.values())


def test_a_part_that_cannot_be_measured_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nab"]) == 1
    assert "--data" in capsys.readouterr().err


def test_load_is_in_order_and_has_copies_of_every_key() -> None:
    known = load(Mix(originals=10, volume=0.3, history_days=1), 40, 300, rules())
    rows = known.rows
    assert 300 <= len(rows) < 400
    stamps = [json.loads(row)["occurred_at"] for row in rows]
    assert stamps == sorted(stamps)
    ids = [json.loads(row)["event_id"] for row in rows]
    assert len(set(ids)) == len(ids)
    messages = pack(rows)
    assert sum(m.value.count(b"\n") + 1 for m in messages) == len(rows)
    fold = known.fold(rules())
    assert len(fold) == len(known.states) >= 20
    for message in messages:
        fold.fold(message)
    assert fold.counts["folded"] == len(rows)
    assert len(fold) < len(known.states) + 20
