"""Recorded traffic replayed into a store: its totals, and the same file added up by hand."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from schemas.usage_event import UsageEvent
from tests.benchmarks import azure, servegen
from tests.benchmarks.replay_totals import (
    PARTS,
    Totals,
    counted,
    differences,
    replay,
    stored,
    write_events,
)

DATA = Path(__file__).parents[1] / "data"
CLIENTS = ("steady", "bursty", "nightly")


def azures() -> Iterable[UsageEvent]:
    return azure.events(DATA / "azure-llm-2023-conv-sample.csv", keys=7)


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    """Three clients as ServeGen publishes them, for three days."""
    head = "client,window_start_s,requests_per_s,cv,arrival_family,param_a,param_b\n"
    shapes = dict(zip(CLIENTS, ((1.0, "Gamma"), (3.0, "Weibull"), (1.5, "Gamma")), strict=True))
    rows = [
        f"{name},{600 * number},{0.004 if name != 'nightly' or number % 144 < 40 else 0},"
        f"{shapes[name][0]},{shapes[name][1]},0,0\n"
        for name in CLIENTS
        for number in range(432)
    ]
    path = tmp_path / "clients.csv.gz"
    path.write_bytes(gzip.compress((head + "".join(rows)).encode()))
    return path


@pytest.mark.parametrize("source", ["azure", "servegen"])
def test_a_store_says_what_the_file_says(source: str, clients: Path, tmp_path: Path) -> None:
    events = azures() if source == "azure" else servegen.fleet(clients, theft_share=1.0)[0]
    file, folder = tmp_path / "events.jsonl", tmp_path / "store"
    write_events(events, file)
    replay(file, folder)
    expected, found = counted(file), stored(folder)
    assert len(expected) == (7 if source == "azure" else len(CLIENTS))
    assert sum(totals.requests for totals in expected.values()) >= 1900
    assert set(found) == set(PARTS)
    assert differences(expected, found) == []


def test_a_difference_is_seen() -> None:
    whole, less = {"a": Totals(2, 10, 10, 5), "b": Totals(1)}, {"a": Totals(2, 10, 10, 4)}
    assert len(differences(whole, {"usage_events": whole, "spend_windows 1d": less})) == 2
