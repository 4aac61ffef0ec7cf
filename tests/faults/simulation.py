"""Runs of the simulated world by seed: a seed and a commit repeat a run."""

import asyncio
import logging
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.pool import Pool

from tests.faults.checks import violations
from tests.faults.world import SCENARIOS, World

CHUNK = 12
"""Seeds handed to a process at a time; a few of each scenario."""


@dataclass(slots=True)
class Report:
    """What came of a run."""

    seed: int
    scenario: str
    struck: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        problems = "\n  ".join(self.violations[:10])
        return (
            f"seed {self.seed} ({self.scenario}): {len(self.violations)} violations; repeat with "
            f"`python -m tests.faults --seed {self.seed}`\n  {problems}"
        )


def simulate(seed: int) -> Report:
    """Run the world of a seed; its scenario follows from the seed, too."""
    scenario = SCENARIOS[seed % len(SCENARIOS)]
    world = World(seed, scenario)
    asyncio.run(world.run())
    return Report(seed, scenario.name, world.struck, violations(world))


def simulate_many(count: int, seconds_max: float) -> Iterator[Report]:
    """Runs of the seeds from 0, on every core, until there were enough or time is up."""
    deadline = time.monotonic() + seconds_max
    with every_core() as pool:
        for report in pool.imap_unordered(simulate, range(count), chunksize=CHUNK):
            yield report
            if time.monotonic() > deadline:
                return


def every_core() -> Pool:
    """Processes on every core that make way for whatever else runs."""
    context = multiprocessing.get_context("spawn")  # the engine's libraries do not like forks
    return context.Pool(os.cpu_count(), initializer=_make_way)


def _make_way() -> None:
    """Be quiet, too: what stages log is thousands of lines about faults that are meant."""
    os.nice(10)
    logging.getLogger("pipeline").setLevel(logging.CRITICAL)
