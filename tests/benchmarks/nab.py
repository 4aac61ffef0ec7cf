"""NAB, the Numenta Anomaly Benchmark: its scoring, and the volume baseline's ideas under it.

`make bench-nab DATA=DIR` takes any folder with `data/<group>/<file>.csv` and
`combined_windows.json`. One threshold is chosen for all series together, as NAB does for every
entry; the scores themselves are made online, one value at a time.
"""

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tests.benchmarks.series import score_series

Floats = npt.NDArray[np.float64]
Scorer = Callable[[Sequence[float], Sequence[float]], Sequence[float]]
"""(Unix seconds, values) to scores, higher is stranger; the n-th knows only the first n values."""

PROBATION_SHARE = 0.15
PROBATION_ROWS_MAX = 750
GAUSSIAN_WINDOW = 1000
TUNED = frozenset(
    {
        "artificialNoAnomaly/art_daily_no_noise.csv",
        "artificialNoAnomaly/art_noisy.csv",
        "artificialWithAnomaly/art_daily_nojump.csv",
        "realAWSCloudwatch/ec2_cpu_utilization_53ea38.csv",
        "realAWSCloudwatch/ec2_cpu_utilization_ac20cd.csv",
        "realAWSCloudwatch/ec2_disk_write_bytes_c0d644.csv",
        "realAWSCloudwatch/grok_asg_anomaly.csv",
        "realAdExchange/exchange-2_cpc_results.csv",
        "realAdExchange/exchange-4_cpc_results.csv",
        "realKnownCause/ec2_request_latency_system_failure.csv",
        "realKnownCause/rogue_agent_key_updown.csv",
        "realTraffic/occupancy_t4013.csv",
        "realTweets/Twitter_volume_AAPL.csv",
        "realTweets/Twitter_volume_FB.csv",
        "realTweets/Twitter_volume_PFE.csv",
    }
)
"""Series that the choices in `series.py` were made on; others were run only after."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How much a hit earns, a false alarm costs, and a miss costs."""

    hit: float
    false: float
    miss: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "low_fp": Profile(1.0, 0.22, 1.0),
    "low_fn": Profile(1.0, 0.11, 2.0),
}


@dataclass(frozen=True, slots=True)
class Series:
    """A file of the corpus; windows are first and last row, both included."""

    name: str
    times: list[float]
    values: list[float]
    windows: list[tuple[int, int]]


class Worth(NamedTuple):
    """What an alarm at each row of a series is worth."""

    window: npt.NDArray[np.int64]
    """Index of the window that the row lies in, or -1."""
    value: Floats
    """A share of a hit inside a window, of a false alarm (negative) outside."""
    judged: npt.NDArray[np.bool_]
    """False during probation."""


def scaled_sigmoid(position: float) -> float:
    """Worth at a position: -1 is a window's left edge, 0 its right edge, 1 a width past it."""
    return -1.0 if position >= 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def probation(rows: int) -> int:
    """Rows at the beginning that are not judged."""
    return min(math.floor(PROBATION_SHARE * rows), PROBATION_ROWS_MAX)


def worth(rows: int, windows: Sequence[tuple[int, int]]) -> Worth:
    """What an alarm at each row is worth: early in a window is best, just after it is forgiven."""
    window = np.full(rows, -1, dtype=np.int64)
    value = np.full(rows, -1.0)
    best = scaled_sigmoid(-1.0)
    for number, (first, last) in enumerate(windows):
        width = last - first + 1
        for row in range(first, last + 1):
            window[row] = number
            value[row] = scaled_sigmoid(-(last - row + 1) / width) / best
        until = windows[number + 1][0] if number + 1 < len(windows) else rows
        for row in range(last + 1, until):
            value[row] = scaled_sigmoid((row - last) / max(width - 1, 1))
    return Worth(window, value, np.arange(rows) >= probation(rows))


def benchmark(series: Sequence[Series], scorer: Scorer) -> dict[str, float]:
    """NAB's figure for each profile: 0 is no alarm at all, 100 a perfect detector."""
    rows: list[tuple[float, int, float]] = []
    """(score, window or -1, worth) of every judged row of every series."""
    count = 0
    for each in series:
        scores = np.asarray(scorer(each.times, each.values), dtype=np.float64)
        if len(scores) != len(each.values):
            raise ValueError(f"{each.name}: {len(scores)} scores for {len(each.values)} values")
        valued = worth(len(each.values), each.windows)
        kept = np.flatnonzero(valued.judged)
        windows = np.where(valued.window >= 0, valued.window + count, -1)
        rows += zip(
            np.nan_to_num(scores[kept]).tolist(),
            windows[kept].tolist(),
            valued.value[kept].tolist(),
            strict=True,
        )
        count += len({int(w) for w in valued.window[kept] if w >= 0})
    rows.sort(key=lambda row: -row[0])
    return {name: _best(rows, count, profile) for name, profile in PROFILES.items()}


def _best(rows: list[tuple[float, int, float]], windows: int, profile: Profile) -> float:
    """The figure at the best threshold, of all thresholds together."""
    caught: dict[int, float] = {}
    nothing = -profile.miss * windows
    total, best = nothing, nothing
    for place, (score, window, value) in enumerate(rows):
        if window < 0:
            total += value * profile.false
        else:
            gain = value * profile.hit
            before = caught.get(window, -profile.miss)
            if gain > before:
                total += gain - before
                caught[window] = gain
        # Rows with the same score fall on the same side of every threshold.
        if place + 1 == len(rows) or rows[place + 1][0] != score:
            best = max(best, total)
    perfect = profile.hit * windows
    return 100.0 * (best - nothing) / (perfect - nothing) if windows else 0.0


def groups(series: Sequence[Series]) -> dict[str, list[Series]]:
    """All series, and where there are both, those that were tuned on apart from the others."""
    tuned = [each for each in series if each.name in TUNED]
    others = [each for each in series if each.name not in TUNED]
    whole = {"all": list(series)}
    return whole | {"tuned on": tuned, "not tuned on": others} if tuned and others else whole


def load(folder: Path) -> list[Series]:
    """The corpus in a folder.

    Raises:
        ValueError: a window of a file does not begin and end at rows of it.
    """
    windows = json.loads((folder / "combined_windows.json").read_text())
    return [
        _series(folder / "data" / name, name, limits)
        for name, limits in sorted(windows.items())
        if (folder / "data" / name).exists()
    ]


def _series(path: Path, name: str, limits: list[list[str]]) -> Series:
    with path.open(newline="") as file:
        rows = [(_unix(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
    times = [time for time, _ in rows]
    try:
        windows = [(times.index(_unix(first)), times.index(_unix(last))) for first, last in limits]
    except ValueError:
        raise ValueError(f"{path}: a window's edge is no row of it") from None
    return Series(name, times, [value for _, value in rows], windows)


def _unix(text: str) -> float:
    return datetime.fromisoformat(text + "+00:00").timestamp()


def windowed_gaussian(times: Sequence[float], values: Sequence[float]) -> list[float]:
    """The published baseline: how far in the tail of a Gaussian of the last thousand values."""
    del times
    scores: list[float] = []
    total = squares = 0.0
    for place, value in enumerate(values):
        known = min(place, GAUSSIAN_WINDOW)
        if known:
            mean = total / known
            deviation = math.sqrt(max(squares / known - mean * mean, 0.0)) or 1e-6
            tail = 0.5 * math.erfc(abs(value - mean) / deviation / math.sqrt(2))
            scores.append(1 - tail)
        else:
            scores.append(0.0)
        total += value
        squares += value * value
        if place >= GAUSSIAN_WINDOW:
            old = values[place - GAUSSIAN_WINDOW]
            total -= old
            squares -= old * old
    return scores


DETECTORS: Mapping[str, Scorer] = {
    "volume ideas": score_series,
    "windowed Gaussian": windowed_gaussian,
}
"""Ours, and the published baseline."""
