"""Data of others becomes events: rates, order, injected theft."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from schemas.fields import epoch
from tests.benchmarks import azure, servegen
from tests.benchmarks.servegen import Window, fleet, gaps

HEAD = "client,window_start_s,requests_per_s,cv,arrival_family,param_a,param_b\n"


@pytest.fixture
def served(tmp_path: Path) -> Path:
    path = tmp_path / "clients.csv.gz"
    rows = [
        f"{name},{600 * i},{0.02 if name == 'a' else 0.5},1.5,Gamma,0,0\n"
        for name in ("a", "b")
        for i in range(0, 2016, 4)
    ]
    path.write_bytes(gzip.compress((HEAD + "a,600,0,0,,0,0\n" + "".join(rows)).encode()))
    return path


@pytest.mark.parametrize("family", ["Gamma", "Weibull"])
@pytest.mark.parametrize("variation", [0.5, 1.0, 2.5])
def test_gaps_have_the_rate_and_the_variation(family: str, variation: float) -> None:
    rng = np.random.default_rng(1)
    drawn = gaps(rng, Window(0, 3.0, variation, family), 3.0, 200_000)
    assert drawn.mean() == pytest.approx(1 / 3, rel=0.05)
    assert drawn.std() / drawn.mean() == pytest.approx(variation, rel=0.12)


def test_clients_keep_their_rates_up_to_the_limit_and_are_in_order(served: Path) -> None:
    stream, labels = fleet(served, events_per_client_max=7000, theft_share=0.0)
    events = list(stream)
    times = [epoch(event.occurred_at) for event in events]
    assert times == sorted(times)
    counts = {name: sum(e.key_id == name for e in events) for name in ("a", "b")}
    assert counts["a"] == pytest.approx(504 * 600 * 0.02, rel=0.1)
    assert counts["b"] == pytest.approx(7000, rel=0.1)
    assert labels == []


def test_theft_lies_in_its_labels_interval_and_repeats(served: Path) -> None:
    first, labels = fleet(served, seed=3, theft_share=1.0)
    again, same = fleet(served, seed=3, theft_share=1.0)
    assert len(labels) == 2
    assert labels == same
    assert [e.event_id for e in first] == [e.event_id for e in again]
    for label in labels:
        since = epoch(label.started_at) - servegen.START
        assert since >= servegen.WARM_UP_SECONDS


def test_azures_rows_become_events(tmp_path: Path) -> None:
    path = tmp_path / "azure.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n"
        "2023-11-16 18:15:50.9951690,396,109\n"
    )
    first, second = azure.events(path, keys=3)
    assert (first.input_tokens, second.output_tokens) == (374, 109)
    assert epoch(second.occurred_at) - epoch(first.occurred_at) == pytest.approx(4.314579)
    assert first.event_id != second.event_id
