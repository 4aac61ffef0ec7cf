"""Events a second on one core, from packed bytes to incidents, and what a key's state weighs."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import Config
from pipeline.engine import PartitionFold, Rules, default_rules
from pipeline.evaluate.tables import table
from pipeline.message import Message
from tests.benchmarks.harness import Figures, Options, Stopwatch, say, timed
from tests.benchmarks.load import lines, pack
from tests.benchmarks.naive import Naive

KEYS = 10_000
EVENTS = 400_000
NAIVE_EVENTS = 15_000
CHECKPOINT_MESSAGES = 100
"""A checkpoint each 50,000 events: every five seconds at 10,000 events a second."""


def measure(options: Options) -> Figures:
    """Engine and naive pipeline in one run, on the same events."""
    rows = lines(KEYS, round(EVENTS * options.scale))
    rules = default_rules(Config())
    plain = _run(rules, pack(rows))
    saved = _run(rules, pack(rows), CHECKPOINT_MESSAGES)
    naive = _naive_events_per_s(rows[: round(NAIVE_EVENTS * options.scale)])
    return {
        "engine_events_per_s": plain.events / plain.watch.seconds,
        "engine_events_per_cpu_s": plain.events / plain.watch.cpu_seconds,
        "engine_us_per_event": plain.us_per_event,
        "engine_with_checkpoints_events_per_s": saved.events / saved.watch.seconds,
        "engine_incidents": plain.incidents,
        "engine_keys": len(plain.fold),
        "naive_events_per_s": naive,
        "engine_over_naive": plain.events / plain.watch.seconds / naive,
        **_weights(plain.fold),
        **_curve(rules, options),
    }


@dataclass(frozen=True, slots=True)
class Run:
    """A fold that was timed after a quarter of the log had warmed it up."""

    fold: PartitionFold
    events: int
    """Timed ones."""
    incidents: int
    watch: Stopwatch

    @property
    def us_per_event(self) -> float:
        """CPU microseconds."""
        return self.watch.cpu_seconds / self.events * 1e6


def _run(rules: Rules, messages: list[Message], checkpoint_messages: int | None = None) -> Run:
    fold = PartitionFold(rules)
    incidents = 0
    warm = len(messages) // 4
    for message in messages[:warm]:
        fold.fold(message)
    fold.checkpoint()
    with timed() as watch:
        for number, message in enumerate(messages[warm:], start=1):
            incidents += len(fold.fold(message).incidents)
            if checkpoint_messages and number % checkpoint_messages == 0:
                fold.checkpoint()
    events = sum(message.value.count(b"\n") + 1 for message in messages[warm:])
    return Run(fold, events, incidents, watch)


def _weights(fold: PartitionFold) -> Figures:
    """Bytes of the states of the keys that the timed part used."""
    sizes = [len(value) for _, value in fold.checkpoint().states if value is not None]
    p50, p90, p99 = np.quantile(sizes, (0.5, 0.9, 0.99)).tolist()
    return {
        "state_bytes_per_key_p50": p50,
        "state_bytes_per_key_p90": p90,
        "state_bytes_per_key_p99": p99,
        "state_bytes_per_key_max": max(sizes),
    }


def _naive_events_per_s(rows: list[bytes]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        naive = Naive(Path(folder) / "naive.db")
        with timed() as watch:
            naive.run(rows)
        naive.close()
    return len(rows) / watch.seconds


def _curve(rules: Rules, options: Options) -> Figures:
    """Cost per event with more and more keys."""
    figures: Figures = {}
    shown: list[tuple[str, str, str]] = []
    for keys in (100, 10_000, 100_000, *([1_000_000] if options.million else [])):
        run = _run(rules, pack(lines(keys, round(max(200_000, keys * 2) * options.scale))))
        figures[f"engine_us_per_event_{keys}_keys"] = run.us_per_event
        shown.append((f"{len(run.fold):,}", f"{run.events:,}", f"{run.us_per_event:.1f} µs"))
    say(table(("keys seen", "events", "CPU per event"), shown))
    return figures
