"""Events a second on one core, from packed bytes to incidents, and what a key's state weighs."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np

from pipeline.config import Config
from pipeline.default_rules import default_rules
from pipeline.engine import PartitionFold, Rules
from pipeline.engine.states import IN_USE_MAX
from pipeline.evaluate.tables import table
from pipeline.garbage import collect_seldom
from pipeline.huge_pages import gather
from pipeline.message import Message
from tests.benchmarks.compiled import compiled
from tests.benchmarks.harness import Figures, Options, Stopwatch, say, timed
from tests.benchmarks.load import BUSY, SPARSE, Load, load, pack
from tests.benchmarks.naive import Naive

KEYS = 10_000
EVENTS = {BUSY: 400_000, SPARSE: 200_000}
DETECTORS_SHARE = 0.4
"""Of the events, to tell what detectors cost: taking turns needs fewer of them."""
EVENTS_PER_KEY = 4
"""Some ten minutes of a sparse key."""
CURVE_RUNS = 5
"""Of a thousand keys, which have too few events for one measurement."""
NAIVE_EVENTS = 15_000
GROUP_MESSAGES = 15
"""Folded together, some three mebibytes: what a worker that is behind gets from a fetch."""
KEYS_PER_MESSAGE = KEYS // GROUP_MESSAGES
PARTITIONS = 8
"""Of a worker, which keeps so many keys ready in each: here they are one."""
Group = list[Message]
CHECKPOINT_GROUPS = 5
"""A checkpoint each 50,000 events: every five seconds at 10,000 events a second."""


def measure(options: Options) -> Figures:
    """Engine and naive pipeline in one run, on the same events."""
    rules = replace(default_rules(Config()), in_use_max=PARTITIONS * IN_USE_MAX)
    collect_seldom()
    busy, sparse = loads = [
        load(mix, KEYS, round(count * options.scale), rules) for mix, count in EVENTS.items()
    ]
    plain = _run(busy, rules)
    saved = _run(busy, rules, CHECKPOINT_GROUPS)
    seldom = _run(sparse, rules)
    naive = _naive_events_per_s(busy.rows[: round(NAIVE_EVENTS * options.scale)])
    forms = _compiled(loads, plain, saved, seldom)
    return {
        "engine_events_per_s": plain.events_per_s,
        "engine_events_per_cpu_s": plain.events / plain.watch.cpu_seconds,
        "engine_us_per_event": plain.us_per_event,
        "engine_with_checkpoints_events_per_s": saved.events_per_s,
        "engine_event_time_events_per_s": busy.events_per_s,
        "engine_detectors_us_per_event": _detectors_us(busy, rules),
        "engine_sparse_events_per_s": seldom.events_per_s,
        "engine_sparse_us_per_event": seldom.us_per_event,
        "engine_sparse_detectors_us_per_event": _detectors_us(sparse, rules),
        "engine_sparse_event_time_events_per_s": sparse.events_per_s,
        "engine_incidents": plain.incidents,
        "engine_keys": len(plain.fold),
        "naive_events_per_s": naive,
        "engine_over_naive": plain.events_per_s / naive,
        **forms,
        **_weights(seldom.fold, "state_bytes_per_key"),
        **_weights(plain.fold, "busy_state_bytes_per_key"),
        **_curve(sparse, rules, options),
    }


def of_this_form(loads: str) -> Figures:
    """The engine on the busy and the sparse fleet, as CPU microseconds and events a second.

    Args:
        loads: the file that holds both.
    """
    rules = default_rules(Config())
    collect_seldom()
    busy, sparse = msgspec.msgpack.decode(Path(loads).read_bytes(), type=list[Load])
    runs = {
        "engine_compiled": _run(busy, rules),
        "engine_compiled_with_checkpoints": _run(busy, rules, CHECKPOINT_GROUPS),
        "engine_compiled_sparse": _run(sparse, rules),
    }
    figures: Figures = {}
    for name, run in runs.items():
        figures[f"{name}_events_per_s"] = run.events_per_s
        figures[f"{name}_us_per_event"] = run.us_per_event
    figures["engine_compiled_detectors_us_per_event"] = _detectors_us(busy, rules)
    figures["engine_compiled_sparse_detectors_us_per_event"] = _detectors_us(sparse, rules)
    return figures


def _compiled(loads: list[Load], *pure: "Run") -> Figures:
    """The same with the core compiled, beside what pure Python took in this run."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(msgspec.msgpack.encode(loads))
        file.flush()
        figures = compiled("tests.benchmarks.engine_speed", loads=file.name)
    rows = [
        (what, f"{run.us_per_event:.1f} µs", f"{us:.1f} µs", f"{run.us_per_event / us:.2f}")
        for what, run, us in zip(
            ("busy", "busy, with checkpoints", "sparse"),
            pure,
            [us for name, us in figures.items() if name.endswith("us_per_event")],
            strict=False,
        )
        if isinstance(us, float)
    ]
    say(table(("CPU per event", "pure", "compiled", "ratio"), rows))
    return figures


@dataclass(frozen=True, slots=True)
class Run:
    """A fold that was timed after a quarter of the log had warmed it up."""

    fold: PartitionFold
    events: int
    """Timed ones."""
    incidents: int
    watch: Stopwatch

    @property
    def events_per_s(self) -> float:
        """By the clock."""
        return self.events / self.watch.seconds

    @property
    def us_per_event(self) -> float:
        """CPU microseconds."""
        return self.watch.cpu_seconds / self.events * 1e6


def _run(known: Load, rules: Rules, checkpoint_groups: int | None = None) -> Run:
    return _timed(*_ready(known, rules), checkpoint_groups)


def _ready(
    known: Load, rules: Rules, group_messages: int = GROUP_MESSAGES
) -> tuple[PartitionFold, list[Group]]:
    """A fold that a quarter of the log has warmed up, and the rest of it."""
    fold, messages = known.fold(rules), pack(known.rows)
    warm = len(messages) // 4
    for group in _groups(messages[:warm], group_messages):
        fold.fold(*group)
    fold.checkpoint()
    gather()  # as a worker has done soon after its start
    return fold, _groups(messages[warm:], group_messages)


def _timed(fold: PartitionFold, groups: list[Group], checkpoint_groups: int | None = None) -> Run:
    incidents = 0
    with timed() as watch:
        for number, group in enumerate(groups, start=1):
            incidents += len(fold.fold(*group).incidents)
            if checkpoint_groups and number % checkpoint_groups == 0:
                fold.checkpoint()
    return Run(fold, _count(groups), incidents, watch)


def _detectors_us(known: Load, rules: Rules) -> float:
    """What all detectors add to an event.

    Where the states of a fold lie in memory can cost as much as detectors do, so either fold is
    made first once.
    """
    known = replace(known, rows=known.rows[: round(DETECTORS_SHARE * len(known.rows))])
    blind = replace(rules, detectors=())
    return (_difference_us(known, rules, blind) - _difference_us(known, blind, rules)) / 2


def _difference_us(known: Load, rules: Rules, others: Rules) -> float:
    """By how much an event costs more by some rules than by others, group by group in turns."""
    folds = [_ready(known, each) for each in (rules, others)]
    groups, spent = folds[0][1], [0.0, 0.0]
    for number, group in enumerate(groups):
        for turn in (number % 2, 1 - number % 2):
            with timed() as watch:
                folds[turn][0].fold(*group)
            spent[turn] += watch.cpu_seconds
    return (spent[0] - spent[1]) / _count(groups) * 1e6


def _count(groups: list[Group]) -> int:
    return sum(message.value.count(b"\n") + 1 for group in groups for message in group)


def _groups(messages: list[Message], length: int) -> list[Group]:
    return [messages[first : first + length] for first in range(0, len(messages), length)]


def _weights(fold: PartitionFold, name: str) -> Figures:
    """Bytes of the states of the keys that the timed part used."""
    sizes = [len(value) for _, value in fold.checkpoint().states if value is not None]
    p50, p90, p99 = np.quantile(sizes, (0.5, 0.9, 0.99)).tolist()
    return {
        f"{name}_p50": p50,
        f"{name}_p90": p90,
        f"{name}_p99": p99,
        f"{name}_max": max(sizes),
    }


def _naive_events_per_s(rows: list[bytes]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        naive = Naive(Path(folder) / "naive.db")
        with timed() as watch:
            naive.run(rows)
        naive.close()
    return len(rows) / watch.seconds


def _curve(sparse: Load, rules: Rules, options: Options) -> Figures:
    """Cost per event with more and more keys, each with some events in the same stretch of time.

    As many events are folded together as come in the same time, so that a key has as many of them:
    else more keys would mean fewer events for each fetch of a key's state from memory.
    """
    figures: Figures = {}
    shown: list[tuple[str, str, str]] = []
    for keys in (1_000, KEYS, 100_000, *([1_000_000] if options.million else [])):
        count = round(keys * EVENTS_PER_KEY * options.scale)
        loads = [_of_keys(keys, count, sparse, rules)] * max(1, CURVE_RUNS * 1_000 // keys)
        runs = []
        while loads:
            # Of a million keys, the rows and the messages made of them need not lie there together.
            runs.append(_timed(*_ready(loads.pop(), rules, keys // KEYS_PER_MESSAGE)))
        us = fmean([run.us_per_event for run in runs])
        figures[f"engine_us_per_event_{keys}_keys"] = us
        events = sum([run.events for run in runs])
        shown.append((f"{len(runs[0].fold):,}", f"{events:,}", f"{us:.1f} µs"))
    say(table(("keys known", "events", "CPU per event"), shown))
    return figures


def _of_keys(keys: int, count: int, sparse: Load, rules: Rules) -> Load:
    """A sparse load of so many keys and events."""
    if keys == KEYS:
        return replace(sparse, rows=sparse.rows[:count])
    return load(SPARSE, keys, count, rules)
