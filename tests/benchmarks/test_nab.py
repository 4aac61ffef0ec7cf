"""NAB's scoring on cases computed by hand."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.nab import (
    TUNED,
    Series,
    benchmark,
    groups,
    load,
    probation,
    scaled_sigmoid,
    windowed_gaussian,
)

LEFT = 0.98661429815143  # 2 / (1 + e^-5) - 1


def series(rows: int, *windows: tuple[int, int]) -> Series:
    return Series("made", [float(i) for i in range(rows)], [0.0] * rows, list(windows))


def figures(rows: int, windows: list[tuple[int, int]], *at: int) -> dict[str, float]:
    def score(_: Sequence[float], values: Sequence[float]) -> list[float]:
        return [1.0 if i in at else 0.0 for i in range(len(values))]

    return benchmark([series(rows, *windows)], score)


def test_the_sigmoid_at_the_published_places() -> None:
    assert scaled_sigmoid(-1.0) == pytest.approx(LEFT)
    assert scaled_sigmoid(-0.5) == pytest.approx(0.84828, abs=1e-5)
    assert scaled_sigmoid(0.0) == 0.0
    assert scaled_sigmoid(1.0) == pytest.approx(-LEFT)
    assert scaled_sigmoid(3.0) == -1.0


def test_probation_is_15_percent_of_at_most_5000_rows() -> None:
    assert [probation(rows) for rows in (10, 100, 4032, 5000, 20_000)] == [1, 15, 604, 750, 750]


def test_an_alarm_at_the_left_edge_of_the_only_window_is_perfect() -> None:
    assert figures(100, [(50, 59)], 50) == pytest.approx(
        {"standard": 100.0, "low_fp": 100.0, "low_fn": 100.0}
    )


def test_silence_scores_nothing() -> None:
    # One score for all rows: alarms everywhere would cost more than the hit earns.
    assert figures(100, [(50, 59)])["standard"] == 0.0


def test_a_late_hit_earns_less_and_only_the_earliest_counts() -> None:
    # Row 59 is the last of ten: position -1/10, 2 / (1 + e^-0.5) - 1 over the best.
    late = (2 / (1 + math.exp(-0.5)) - 1) / LEFT
    assert figures(100, [(50, 59)], 59)["standard"] == pytest.approx(100 * (late + 1) / 2)
    assert figures(100, [(50, 59)], 50, 59)["standard"] == pytest.approx(100.0)


def test_false_alarms_cost_by_profile_and_distance() -> None:
    # Row 20 lies before any window: a full false alarm. One hit at the left edge beside it.
    far = figures(100, [(50, 59)], 20, 50)
    assert far["standard"] == pytest.approx(100 * (1 - 0.11 + 1) / 2)
    assert far["low_fp"] == pytest.approx(100 * (1 - 0.22 + 1) / 2)
    assert far["low_fn"] == pytest.approx(100 * (1 - 0.11 + 2) / 3)
    # Row 60 is one past the right edge: position 1/9, almost forgiven.
    near = figures(100, [(50, 59)], 50, 60)
    cost = -0.11 * scaled_sigmoid(1 / 9)
    assert near["standard"] == pytest.approx(100 * (1 - cost + 1) / 2)


def test_missed_windows_cost_more_where_misses_do() -> None:
    half = figures(200, [(50, 59), (150, 159)], 50)
    assert half["standard"] == pytest.approx(50.0)
    assert half["low_fn"] == pytest.approx(100 * (1 - 2 + 4) / 6)


def test_alarms_in_probation_do_not_count() -> None:
    assert figures(100, [(50, 59)], 3, 50)["standard"] == pytest.approx(100.0)


def test_one_threshold_serves_all_series() -> None:
    def score(_: Sequence[float], values: Sequence[float]) -> list[float]:
        loud = len(values) == 100
        return [(0.9 if loud else 0.4) if i == 50 else 0.1 for i in range(len(values))]

    both = [series(100, (50, 59)), series(90, (50, 59))]
    assert benchmark(both, score)["standard"] == pytest.approx(100.0)


def test_the_baseline_knows_only_the_past() -> None:
    values = [float(i % 7) for i in range(60)]
    whole = windowed_gaussian(values, [*values, 100.0])
    assert whole[:60] == windowed_gaussian(values, values)
    assert whole[-1] >= max(whole[:60])


def test_a_corpus_is_read_from_a_folder(tmp_path: Path) -> None:
    data = tmp_path / "data" / "group"
    data.mkdir(parents=True)
    lines = [f"2014-04-01 00:{i:02d}:00,{i}" for i in range(60)]
    (data / "a.csv").write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    windows = {
        "group/a.csv": [["2014-04-01 00:10:00.000000", "2014-04-01 00:20:00.000000"]],
        "group/missing.csv": [],
    }
    (tmp_path / "combined_windows.json").write_text(json.dumps(windows))
    (only,) = load(tmp_path)
    assert (only.name, only.windows, len(only.values)) == ("group/a.csv", [(10, 20)], 60)


def test_series_that_were_tuned_on_are_shown_apart() -> None:
    tuned = Series(min(TUNED), [], [], [])
    fresh = Series("group/fresh.csv", [], [], [])
    assert groups([fresh]) == {"all": [fresh]}
    assert groups([tuned, fresh]) == {
        "all": [tuned, fresh],
        "tuned on": [tuned],
        "not tuned on": [fresh],
    }
