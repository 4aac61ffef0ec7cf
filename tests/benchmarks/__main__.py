"""`python -m tests.benchmarks [PART …]`: measure, print tables, leave figures in `build/`.

Parts: engine, faust, sink, intake, latency, recovery (together `build/bench.json`), capacity
(`build/bench-capacity.json`), detection
(`build/bench-detection.json`), nab (`build/bench-nab.json`), replay (`build/bench-replay.json`),
or all.
"""

import argparse
import asyncio
import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from pipeline.evaluate.tables import table
from tests.benchmarks.harness import Figures, Options, say, write

SPEED = ("engine", "faust", "sink", "intake", "latency", "recovery")
MODULES = {
    "engine": "engine_speed",
    "faust": "faust_speed",
    "sink": "sink_speed",
    "intake": "intake_speed",
    "latency": "latency",
    "recovery": "recovery",
    "capacity": "capacity",
    "detection": "detection",
    "nab": "nab_bench",
    "replay": "replay_totals",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the parts; 0 when every part asked for was measured."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks", description=__doc__)
    known = [*MODULES, "all"]
    # `choices` would refuse that nothing is named, which means the speed of everything.
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(known))
    parser.add_argument("--data", type=Path, help="folder with data of others (NAB, ServeGen)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the amount of work")
    parser.add_argument(
        "--million", action="store_true", help="a million keys through the engine, too"
    )
    given = parser.parse_args(arguments)
    unknown = [part for part in given.parts if part not in known]
    if unknown:
        parser.error(f"{', '.join(unknown)}: the parts are {', '.join(known)}")
    parts = [*MODULES] if "all" in given.parts else given.parts or [*SPEED]
    options = Options(given.data, given.scale, given.million)
    speed: Figures = {}
    missing: list[str] = []
    for part in parts:
        figures = _measure(part, options)
        if figures is None:
            missing.append(part)
        elif part in SPEED:
            speed |= figures
        else:
            data = str(figures.pop("data", ""))
            say(f"\n{write(f'bench-{part}', figures, data)}")
    if speed:
        say(f"\n{write('bench', speed, 'a simulated fleet, and requests made up')}")
    if missing:
        say(f"not measured: {', '.join(missing)}", error=True)
    return 1 if missing else 0


def _measure(part: str, options: Options) -> Figures | None:
    """The figures of a part; None when it cannot be measured here, and why is printed."""
    say(f"\n== {part} ==")
    try:
        module = importlib.import_module(f"tests.benchmarks.{MODULES[part]}")
    except ModuleNotFoundError as error:
        say(f"{part}: {error}", error=True)
        return None
    wanted = inspect.signature(module.measure).parameters
    found = module.measure(options) if "options" in wanted else module.measure()
    if inspect.isawaitable(found):
        found = asyncio.run(_wait(found))
    if found is None:
        return None
    if part in SPEED:
        rows = [
            (name, f"{v:,.1f}" if isinstance(v, float) else str(v)) for name, v in found.items()
        ]
        say(table(("figure", "value"), rows))
    return dict(found)


async def _wait(found: Any) -> Any:  # noqa: ANN401 # whatever the part's figures are
    return await found


if __name__ == "__main__":
    sys.exit(main())
