"""What can go wrong on the command line, and how it is said: one line, no traceback, no secret."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import ClassVar

import typer

from detectors.words import counted
from pipeline.logs import DEBUG_VARIABLE, shows_tracebacks
from pipeline.printable import printable
from schemas.redaction import scrub_text

EXIT_FAILURE = 1
EXIT_USAGE = 2


class UsageError(Exception):
    """The command was asked for something that cannot be done as asked (exit code 2)."""

    exit_code: ClassVar[int] = EXIT_USAGE


class FailureError(Exception):
    """Something outside the command did not work (exit code 1)."""


def tell_left_out(refused: Mapping[tuple[str, str], int]) -> None:
    """Say on stderr how many lines were left out, by file and reason."""
    for (file, reason), count in sorted(refused.items()):
        line = f"leakline: {file}: left out for {reason}: {counted(count, 'line')}"
        typer.echo(printable(line), err=True)


def run_guarded(command: Callable[[], object]) -> int:
    """The exit code of a command; whatever it raises is said on stderr."""
    try:
        outcome = command()
    except BrokenPipeError:
        # The reader of a pipe has enough; without this, closing stdout complains once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    except Exception as problem:
        if shows_tracebacks():
            raise
        for line in _said(problem).splitlines() or [type(problem).__name__]:
            typer.echo(f"leakline: {printable(scrub_text(line))}", err=True)
        code: int = getattr(problem, "exit_code", EXIT_FAILURE)
        return code
    return outcome if isinstance(outcome, int) else 0


def _said(problem: Exception) -> str:
    if isinstance(problem, typer.TyperException):
        return _asked(problem).replace("\n", " ")
    if type(problem).__module__.startswith("pipeline."):
        return str(problem)
    if isinstance(problem, OSError):
        return f"{problem.filename or 'system'}: {problem.strerror or problem}"
    first = str(problem).partition("\n")[0][:300]
    return f"unexpected {type(problem).__name__}: {first} ({DEBUG_VARIABLE}=1 shows where)"


def _asked(problem: typer.TyperException) -> str:
    """What was wrong with the command line; where a command is missing, which there are."""
    text = problem.format_message()
    context: typer.Context | None = getattr(problem, "ctx", None)
    if context is None or text != "Missing command.":
        return text
    names = ", ".join(getattr(context.command, "commands", ()))
    return f"{context.command_path}: name one of its commands: {names}"
