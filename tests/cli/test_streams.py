import subprocess
import sys

import pytest

MAIN = ("-m", "pipeline.cli")


def _run(closed: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python with some streams closed, as a shell does it."""
    return subprocess.run(  # noqa: S603 - our own interpreter and code
        ["/bin/sh", "-c", f'exec "$0" "$@" {closed}', sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("closed", "words", "said"),
    [
        (">&-", ("version",), "standard output: closed"),
        (">&-", ("query", "--list"), "standard output: closed"),
        ("<&-", ("replay", "--events", "-"), "-: cannot be read: closed"),
    ],
)
def test_who_needs_a_closed_stream_is_told(closed: str, words: tuple[str, ...], said: str) -> None:
    done = _run(closed, *MAIN, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"leakline: {said}\n"


@pytest.mark.parametrize(
    ("closed", "words", "code"),
    [
        (">&-", ("replay", "--events", "/dev/null"), 0),
        ("2>&-", ("version",), 0),
        ("2>&-", ("nonsense",), 2),
        ("<&- >&- 2>&-", ("replay", "--events", "/dev/null"), 0),
    ],
)
def test_nobody_else_is(closed: str, words: tuple[str, ...], code: int) -> None:
    done = _run(closed, *MAIN, *words)
    assert done.returncode == code
    assert "closed" not in done.stderr


def test_processes_of_ours_have_all_streams() -> None:
    child = "import sys; sys.exit(0 if sys.stdin and sys.stdout and sys.stderr else 1)"
    code = (
        "import subprocess, sys; from pipeline.cli.streams import hold_closed; hold_closed();"
        f"sys.exit(subprocess.run([sys.executable, '-c', {child!r}]).returncode)"
    )
    assert _run("<&- >&- 2>&-", "-c", code).returncode == 0


def test_no_file_gets_the_descriptor_of_a_standard_stream() -> None:
    code = (
        "import os, sys; from pipeline.cli.streams import hold_closed; hold_closed();"
        "sys.exit(0 if os.open('/dev/null', os.O_RDONLY) > 2 else 1)"
    )
    assert _run("<&- >&- 2>&-", "-c", code).returncode == 0
