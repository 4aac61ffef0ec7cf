"""A progress bar on a terminal's stderr; nothing elsewhere, so that logs stay readable."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int], None]
Note = Callable[[str], None]
Share = Callable[[float, str], None]


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )


@contextmanager
def _bar(what: str, total: float | None) -> Iterator[Callable[..., None]]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda **_: None
        return
    with Progress(*_columns(), console=console, transient=True, refresh_per_second=5) as progress:
        task = progress.add_task(what, total=total, note="")
        yield lambda **changes: progress.update(task, **changes)


@contextmanager
def reading(path: Path, what: str) -> Iterator[tuple[Advance, Note]]:
    """A bar over the bytes of a file: how far it has been read, and a note beside it."""
    with _bar(what, path.stat().st_size if path.is_file() else None) as update:
        yield (lambda position: update(completed=position)), (lambda note: update(note=note))


@contextmanager
def working(what: str) -> Iterator[Share]:
    """A bar over a whole of 1: the share that is done, and a note beside it."""
    with _bar(what, 1.0) as update:
        yield lambda share, note: update(completed=share, note=note)
