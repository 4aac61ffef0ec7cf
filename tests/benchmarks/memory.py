"""Resident memory for each key that a worker knows: in use, and silent."""

import gc
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from pipeline.config import Config
from pipeline.default_rules import default_rules
from pipeline.engine import PartitionFold
from tests.benchmarks.harness import Figures, Options, say
from tests.benchmarks.load import SPARSE, load

KEYS = 20_000
State = tuple[str, bytes]


def measure_memory(options: Options) -> Figures:
    """Of keys with some days of history, in a process of its own: others leave holes behind."""
    keys = round(KEYS * options.scale)
    states = load(SPARSE, keys, keys, default_rules(Config())).states
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        silent, in_use = process.submit(bytes_per_key, states).result()
    say(
        f"  of memory, a key in use takes {in_use / 1e3:.1f} kB, a silent one {silent / 1e3:.1f} kB"
    )
    return {"memory_bytes_per_key_in_use": in_use, "memory_bytes_per_silent_key": silent}


def bytes_per_key(states: list[State]) -> tuple[float, float]:
    """What a fold takes of memory for each of some keys: silent, and in use."""
    fold = PartitionFold(replace(default_rules(Config()), in_use_max=len(states)))
    before = _resident()
    for key_id, raw in states:
        fold.restore(key_id, bytes(bytearray(raw)))  # a copy, as each would be one
    silent = _resident()
    for key_id, _ in states:
        fold.state_of(key_id)
    return (silent - before) / len(states), (_resident() - before) / len(states)


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
