"""A clock that jumps under a process that runs."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.wrong_clock import set_clock
from tests.support.installation import ROOT

READS = """
import sys, time
from pathlib import Path
from tests.faults.wrong_clock import install
install(Path(sys.argv[1]))
for _ in sys.stdin:
    print(time.time(), flush=True)
"""


def test_a_clock_jumps_while_a_process_looks_at_it(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    set_clock(file, 0.0)
    with subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-c", READS, str(file)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        for seconds in (0.0, 3_000.0, -3_000.0):
            set_clock(file, seconds)
            process.stdin.write("?\n")
            assert float(process.stdout.readline()) - time.time() == pytest.approx(seconds, abs=60)
        process.stdin.close()
