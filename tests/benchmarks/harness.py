"""What every benchmark shares: figures as one flat JSON object, with where they come from."""

import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Figure = float | int | str | None
Figures = dict[str, Figure]
BUILD = Path("build")


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked for."""

    data: Path | None = None
    """Folder with data of others; parts that need it are left out without it, and say so."""
    scale: float = 1.0
    """Factor on the amount of work; figures of runs below 1 are for trying out."""
    million: bool = False
    """Also put a million keys through the engine (ten minutes more, 11 GB of memory)."""


@dataclass(slots=True)
class Stopwatch:
    """Elapsed and CPU seconds of a block."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measure a block. CPU seconds are the steadier figure on a shared machine."""
    watch = Stopwatch()
    wall, cpu = time.perf_counter(), time.process_time()
    yield watch
    watch.seconds = time.perf_counter() - wall
    watch.cpu_seconds = time.process_time() - cpu


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def say(text: str, *, error: bool = False) -> None:
    """Print a line at once: some parts take minutes."""
    stream = sys.stderr if error else sys.stdout
    stream.write(text + "\n")
    stream.flush()


def write(target: str, figures: Figures, data: str) -> Path:
    """Leave the figures in `build/<target>.json`."""
    BUILD.mkdir(exist_ok=True)
    path = BUILD / f"{target}.json"
    path.write_text(json.dumps({**figures, **surroundings(), "data": data}, indent=1) + "\n")
    return path


def surroundings() -> Figures:
    """The machine and the commit."""
    return {
        "machine": f"{platform.machine()}, {_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "commit": _commit(),
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(  # noqa: S603 # a fixed command
            command, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
