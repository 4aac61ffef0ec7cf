"""leakline's command line with a clock that may be wrong: `python -m tests.faults.wrong_clock FILE
WORD…`.

The file holds the seconds by which `time.time` is wrong, read anew at each call, so that the clock
of a running process can be made to jump.
"""

import mmap
import struct
import sys
import time
from pathlib import Path

_SECONDS = struct.Struct("<d")


def set_clock(file: Path, seconds: float) -> None:
    """Make the clocks that look at a file wrong by so many seconds."""
    # in place: the processes have the file in memory
    with file.open("r+b" if file.exists() else "wb") as output:
        output.write(_SECONDS.pack(seconds))


def install(file: Path) -> None:
    """Take the clock of a file for this process."""
    with file.open("rb") as source:
        shared = mmap.mmap(source.fileno(), _SECONDS.size, access=mmap.ACCESS_READ)
    right = time.time
    time.time = lambda: right() + _SECONDS.unpack_from(shared)[0]


def main(file: str, *words: str) -> None:
    """Run a command with the clock of a file."""
    install(Path(file))
    sys.argv = ["leakline", *words]
    # only now: modules may take the clock as they are imported
    from pipeline.cli.app import main as leakline  # noqa: PLC0415

    leakline()


if __name__ == "__main__":
    main(*sys.argv[1:])
