"""A fleet as files, the same bytes each time."""

import gzip
from pathlib import Path

from pipeline.evaluate.files import read_events
from pipeline.replay.lines import read_records
from pipeline.simulate import FleetSettings, simulate_to_files
from schemas.key_record import KeyRecord
from schemas.label import Label
from schemas.provider_usage import ProviderUsage

SETTINGS = FleetSettings(keys=6, days=2, volume=0.1, attack_rate=0.5)


def test_everything_written_can_be_read_and_is_counted(tmp_path: Path) -> None:
    shares: list[float] = []
    written = simulate_to_files(
        SETTINGS,
        tmp_path / "events.jsonl.gz",
        provider_usage=tmp_path / "usage.jsonl",
        keys=tmp_path / "keys.jsonl.zst",
        labels=tmp_path / "labels.jsonl",
        progress=lambda share, _: shares.append(share),
    )
    assert shares == [0.5, 1.0]
    assert sum(1 for _ in read_events(tmp_path / "events.jsonl.gz")) == written.events > 0
    assert len(list(read_records(tmp_path / "keys.jsonl.zst", KeyRecord))) == written.keys
    labels = list(read_records(tmp_path / "labels.jsonl", Label))
    assert sum(label.malicious for label in labels) == written.attacks > 0
    assert list(read_records(tmp_path / "usage.jsonl", ProviderUsage))


def test_compression_adds_nothing_that_differs_from_run_to_run(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"
    simulate_to_files(SETTINGS, first)
    simulate_to_files(SETTINGS, second)
    assert first.read_bytes() == second.read_bytes()
    assert gzip.decompress(first.read_bytes()).endswith(b"}\n")
