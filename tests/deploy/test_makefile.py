"""`make install` with a Python that is too old, and after one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLEARED = "-m venv --clear .venv"
PRETENDS = """#!/bin/sh
[ "$1" = -c ] && exec {python} -c "import sys; sys.version_info = ({version}, 4); $2"
echo "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("schemas", "detectors", "pipeline"):
        (tmp_path / name).mkdir()
    return tmp_path


def make(checkout: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Run it with a Python that says that it is of a version, and does nothing else."""
    python = checkout / "python"
    python.write_text(PRETENDS.format(python=sys.executable, version=version))
    python.chmod(0o755)
    return subprocess.run(
        ["make", "demo", "PYTHON=./python"],  # noqa: S607 - whichever make there is
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", ["3, 10", "3, 14", "2, 7"])
def test_a_python_that_does_not_do_is_refused_in_one_line(checkout: Path, version: str) -> None:
    done = make(checkout, version)
    assert done.returncode
    said, *of_make = done.stderr.splitlines()
    assert said == (
        f"leakline needs Python 3.11 to 3.13, and ./python is {version.replace(', ', '.')}: "
        "name another, as in make PYTHON=python3.12"
    )
    assert len(of_make) == 1  # that the target failed
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("version", ["3, 11", "3, 13"])
@pytest.mark.parametrize("left", [None, "Python 3.10.1"])
def test_what_another_python_left_is_cleared(
    checkout: Path, version: str, left: str | None
) -> None:
    if left:
        leave(checkout, left)
    assert CLEARED in make(checkout, version).stdout.splitlines()


def test_what_the_same_python_left_stays_for_who_runs_it(checkout: Path) -> None:
    """Workers, while another version is installed, and for good where that fails."""
    leave(checkout, "-V")
    done = make(checkout, "3, 12")
    assert CLEARED not in done.stdout.splitlines()
    assert "install --quiet --require-hashes -r requirements.lock" in done.stdout.splitlines()


def leave(checkout: Path, version: str) -> None:
    """An environment whose Python says that it is of a version."""
    programs = {"python": f"echo '{version}'", "pip": 'echo "$@"', "leakline": ""}
    (checkout / ".venv/bin").mkdir(parents=True)
    for name, does in programs.items():
        program = checkout / ".venv/bin" / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
