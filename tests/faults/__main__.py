"""`python -m tests.faults`: disturb, check, print a table, leave `build/faults.json`.

The real stack, and beside it, on what it leaves of the cores, thousands of simulated worlds and
made-up bytes for every decoder.
`--seed N` repeats one simulated world.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from pipeline.evaluate.tables import table
from tests.benchmarks.harness import Figures, say, write
from tests.faults.fuzzing_all import fuzz_all
from tests.faults.memory import measure
from tests.faults.outcome import Outcome
from tests.faults.real_checks import violations
from tests.faults.real_faults import FAULTS, Fault
from tests.faults.real_stack import RealStack, real_stack
from tests.faults.simulation import simulate, simulate_many
from tests.support.kafka import open_broker

SEEDS = 2_000
SIMULATION_SECONDS_MAX = 540.0
INPUTS_PER_DECODER = 5_000
HTTP_REQUESTS = 3_000
PARTS = ("simulated", "fuzzed", "real")


def main(arguments: list[str] | None = None) -> int:
    """Run the suite; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat this simulated world, and nothing else")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="simulated worlds to run")
    parser.add_argument("--only", choices=PARTS, help="leave the others out")
    parser.add_argument("--fault", action="append", help="real faults to run; all without it")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        report = simulate(given.seed)
        say(f"{report}\n{dict(report.struck)}")
        return 1 if report.violations else 0
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that is gone is meant
    parts = (given.only,) if given.only else PARTS
    figures: Figures = {}
    outcomes = asyncio.run(_all(parts, given, figures))
    return _conclude(outcomes, figures)


async def _all(parts: Sequence[str], given: argparse.Namespace, figures: Figures) -> list[Outcome]:
    async with asyncio.TaskGroup() as both:
        idle = both.create_task(asyncio.to_thread(_in_idle_time, parts, given.seeds))
        real = both.create_task(_real(given.fault, figures)) if "real" in parts else None
    return idle.result() + (real.result() if real is not None else [])


def _in_idle_time(parts: Sequence[str], seeds: int) -> list[Outcome]:
    """What needs nothing but a processor."""
    outcomes = _simulated(seeds) if "simulated" in parts else []
    return outcomes + (_fuzzed() if "fuzzed" in parts else [])


def _fuzzed() -> list[Outcome]:
    found = fuzz_all(INPUTS_PER_DECODER, HTTP_REQUESTS)
    return [Outcome(f"fuzzed: {each.name}", each.inputs, each.violations) for each in found]


def _simulated(seeds: int) -> list[Outcome]:
    struck: Counter[str] = Counter()
    worlds: Counter[str] = Counter()
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    started = time.monotonic()
    for report in simulate_many(seeds, SIMULATION_SECONDS_MAX):
        worlds[report.scenario] += 1
        for fault, count in report.struck.items():
            struck[fault.partition(",")[0]] += count
        if report.violations:
            say(str(report), error=True)
            wrong[report.scenario] += report.violations
    say(f"{worlds.total():,} worlds in {time.monotonic() - started:.0f} s; faults in them:")
    say(table(("fault", "times"), [(name, f"{n:,}") for name, n in sorted(struck.items())]))
    return [Outcome(f"simulated: {name}", n, wrong[name]) for name, n in sorted(worlds.items())]


async def _real(wanted: list[str] | None, figures: Figures) -> list[Outcome]:
    chosen = [fault for fault in FAULTS if wanted is None or fault.__name__ in wanted]
    with open_broker() as broker, tempfile.TemporaryDirectory(prefix="leakline-faults-") as folder:
        say(f"\nKafka: {broker.name}")
        async with real_stack(broker, Path(folder)) as stack:
            stack.traffic.flowing.set()
            outcomes = [await _disturbed(stack, fault) for fault in chosen]
            say(f"{len(stack.traffic.accepted):,} events; restarts: {_restarts(stack)}")
        measured, outcome = await measure(broker)
        figures |= measured
        say(f"{measured}")
    outcomes.append(outcome)
    return outcomes


async def _disturbed(stack: RealStack, fault: Fault) -> Outcome:
    started = time.monotonic()
    outcome = await fault(stack)
    outcome.violations += await violations(stack)
    seconds = time.monotonic() - started
    say(f"{outcome.fault}: {len(outcome.violations)} violations, {seconds:.0f} s")
    for violation in outcome.violations:
        say(f"  {violation}", error=True)
    return outcome


def _restarts(stack: RealStack) -> str:
    return ", ".join(f"{member.role} {member.restarts}" for member in stack.members)


def _conclude(outcomes: list[Outcome], figures: Figures) -> int:
    rows = [(each.fault, f"{each.repetitions:,}", str(len(each.violations))) for each in outcomes]
    say("\n" + table(("fault", "repetitions", "violations"), rows))
    wrong = sum(len(each.violations) for each in outcomes)
    figures |= {
        "faults_run": sum(each.repetitions for each in outcomes if not _is_fuzzed(each)),
        "faults_violations": wrong,
        "inputs_fuzzed": sum(each.repetitions for each in outcomes if _is_fuzzed(each)),
        **{_name(each.fault): each.repetitions for each in outcomes},
    }
    path = write("faults", figures, "made-up traffic of honest, stolen and planted keys")
    say(f"\n{path}")
    return 1 if wrong or not outcomes else 0


def _is_fuzzed(outcome: Outcome) -> bool:
    return outcome.fault.startswith("fuzzed")


def _name(fault: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in fault.lower()).split()
    return "_".join(words)


if __name__ == "__main__":
    sys.exit(main())
