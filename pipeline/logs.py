"""Where the lines of workers and of the server go: to stderr, as all that is no answer."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from pipeline.printable import printable

CLIENTS: Final = ("aiokafka", "faust", "kafka", "mode")
"""Libraries that repeat themselves, hundreds of times a second while a broker is away."""
REPEAT_SECONDS: Final = 10.0
DEBUG_VARIABLE: Final = "LEAKLINE_DEBUG"


def shows_tracebacks() -> bool:
    """Whether what ends a program is to be shown with where it happened."""
    return os.environ.get(DEBUG_VARIABLE) == "1"


def log_to_stderr(who: str, level: int = logging.INFO) -> None:
    """Write there what we and libraries log.

    Args:
        who: the role, since those that run together share the stream.
        level: of what libraries log; of ours, all but DEBUG is written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Seldom())
    handler.setFormatter(OneLine(f"%(asctime)s %(levelname)s {who} %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("pipeline").setLevel(logging.INFO)


class OneLine(logging.Formatter):
    """A line for each record, also where a value or a traceback has several."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as it is written."""
        return printable(super().format(record))


class Seldom(logging.Filter):
    """Lets a text of `CLIENTS` through once in a while, with the number of those left out."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._told: dict[str, tuple[float, int]] = {}
        """By text, when it was let through, and how often not since."""
        self._one = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the record."""
        if not record.name.startswith(CLIENTS):
            return True
        text, now = record.getMessage(), self._now()
        with self._one:
            at, left_out = self._told.get(text, (-REPEAT_SECONDS, 0))
            if now - at < REPEAT_SECONDS:
                self._told[text] = at, left_out + 1
                return False
            self._forget(now - 2 * REPEAT_SECONDS)  # who still repeats itself was heard since
            self._told[text] = now, 0
        if left_out:
            record.msg, record.args = f"{text} ({left_out:,} times more since it was said)", ()
        return True

    def _forget(self, before: float) -> None:
        self._told = {text: seen for text, seen in self._told.items() if seen[0] > before}
