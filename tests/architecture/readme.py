"""The README's commands and what they print; `python -m tests.architecture.readme` renews it."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
LEAKLINE = (sys.executable, "-m", "pipeline.cli")
_BLOCK = re.compile(r"(```console\n)(.*?)(```\n)", re.DOTALL)
_VARYING = re.compile(r"key-[0-9a-f]+|\d[\d,.:]*|[─ ]{2,}")


def sessions(text: str) -> list[list[tuple[str, str]]]:
    """For each session of a page, its commands and what each is said to print."""
    return [list(_commands(match[2])) for match in _BLOCK.finditer(text)]


def _commands(session: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def run(command: str, folder: Path) -> str:
    """What a command prints in a folder, stderr included.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    words = ["leakline", "demo"] if command == "make demo" else command.split()
    if words[0] != "leakline":
        raise ValueError(f"the README runs {words[0]}, which is not ours")
    environment = os.environ | {"COLUMNS": "90", "PYTHONPATH": str(ROOT), "TZ": "UTC"}
    done = subprocess.run(  # noqa: S603 - our own command
        [*LEAKLINE, *words[1:]],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=280,
    )
    return done.stdout


def skeleton(output: str) -> list[str]:
    """The lines of an output without what differs from run to run and from tuning to tuning."""
    return [_VARYING.sub("#", line).strip() for line in output.splitlines()]


def renewed(text: str, folder: Path) -> str:
    """A page with what its commands print now."""

    def session(match: re.Match[str]) -> str:
        parts = [f"$ {each}\n{run(each, folder)}" for each, _ in _commands(match[2])]
        return match[1] + "".join(parts) + match[3]

    return _BLOCK.sub(session, text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        README.write_text(renewed(README.read_text(), Path(scratch)))
