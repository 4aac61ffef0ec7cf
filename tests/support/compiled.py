"""leakline with its core compiled, for what compares it with pure Python."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HOME = ROOT / "build" / "compiled"


def why_not() -> str | None:
    """Why it cannot be built here; None when it can."""
    return None if shutil.which("cc") or shutil.which("gcc") else "there is no C compiler"


def build() -> None:
    """Build it, if anything changed since this was last done."""
    subprocess.run(  # a fixed command
        ["make", "--silent", "--no-print-directory", "compiled"],  # noqa: S607
        cwd=ROOT,
        env={**os.environ, "MAKEFLAGS": ""},
        check=True,
        stdout=sys.stderr,
    )


def command(*, compiled: bool, module: str, arguments: Sequence[str] = ()) -> list[str]:
    """What runs a module of the tests on leakline in one of its forms."""
    folders = [str(ROOT)]
    if compiled:
        folders.insert(0, str(next(_HOME.glob("lib/python*/site-packages"))))
    python = _HOME / "bin" / "python" if compiled else Path(sys.executable)
    # The working folder holds the sources, so it must not come first (-P).
    path = f"PYTHONPATH={os.pathsep.join(folders)}"
    return ["env", path, str(python), "-P", "-m", module, *arguments]
