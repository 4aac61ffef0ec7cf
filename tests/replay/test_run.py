from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.accept import Batch
from pipeline.config import Config
from pipeline.default_rules import default_rules
from pipeline.replay.merge import Recording, merge
from pipeline.replay.run import Results, Summary, replay
from pipeline.simulate import FleetSettings, simulate_to_files
from schemas.spend_window import SpendWindow

if TYPE_CHECKING:
    from schemas.incident import Incident

SETTINGS = FleetSettings(keys=6, days=4, seed=5, attack_rate=0.5, volume=0.3, disorder=0.02)


class Kept:
    """An output that keeps everything; of totals the highest version."""

    def __init__(self) -> None:
        self.incidents: list[Incident] = []
        self.letters: list[tuple[int, str]] = []
        self.totals: dict[tuple[str, str, object], SpendWindow] = {}

    def take(self, batches: Sequence[Batch], results: Results) -> None:
        del batches
        self.incidents += results.incidents
        self.letters += [(each.offset, each.reason) for each in results.dead_letters]

    def windows(self, rows: list[SpendWindow]) -> None:
        for row in rows:
            self.totals[row.key_id, row.granularity, row.window_start] = row


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    root = tmp_path_factory.mktemp("run")
    events, keys = root / "events.jsonl", root / "keys.jsonl"
    simulate_to_files(SETTINGS, events, keys=keys)
    lines = events.read_bytes().splitlines(keepends=True)
    lines[100:100] = [b"garbage\n", b"\n", b'{"event_id": "x"}\n']
    events.write_bytes(b"".join(lines))
    return Recording(events, keys=keys)


def _replayed(recording: Recording, lines_max: int) -> tuple[Kept, Summary]:
    kept = Kept()
    messages = merge(recording, 2e9, packed_lines_max=lines_max)
    return kept, replay(messages, default_rules(Config()), [kept])


@pytest.mark.parametrize("lines_max", [1, 7])
def test_how_lines_are_packed_changes_nothing(recording: Recording, lines_max: int) -> None:
    packed, packed_summary = _replayed(recording, 500)
    other, other_summary = _replayed(recording, lines_max)
    assert packed.incidents == other.incidents != []
    assert packed.totals == other.totals
    assert packed.letters == other.letters
    assert packed_summary.counts == other_summary.counts


def test_a_dead_letter_is_at_its_line(recording: Recording) -> None:
    kept, summary = _replayed(recording, 500)
    assert kept.letters == [(101, "not_json"), (103, "missing_field")]
    lines = Path(recording.events).read_bytes().splitlines()
    assert summary.events == len([line for line in lines if line])


def test_what_paged_is_summed_up_as_a_page_also_once_it_is_over(recording: Recording) -> None:
    kept, summary = _replayed(recording, 500)
    paged = {each.incident_id for each in kept.incidents if each.severity == "page"}
    over = {each.incident_id for each in kept.incidents if each.status == "resolved"}
    assert paged & over
    assert all(summary.incidents[each].severity == "page" for each in paged)


def test_keys_are_those_that_were_used(recording: Recording, tmp_path: Path) -> None:
    assert recording.keys is not None
    keys, idle = tmp_path / "keys.jsonl", b'{"key_id": "never-used"}\n'
    keys.write_bytes(recording.keys.read_bytes() + idle)
    _, summary = _replayed(Recording(recording.events, keys=keys), 500)
    assert len(summary.key_ids) == SETTINGS.keys


def test_totals_are_those_of_the_events(recording: Recording) -> None:
    kept, summary = _replayed(recording, 500)
    days = [row for row in kept.totals.values() if row.granularity == "1d"]
    assert sum(row.requests for row in days) == summary.accepted - summary.counts["duplicate"]
