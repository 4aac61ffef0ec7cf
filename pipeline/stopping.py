"""The signals that end a program in good order."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def stop_signals() -> tuple[signal.Signals, ...]:
    """SIGTERM, SIGINT, and SIGHUP where it is not ignored, as it is below `nohup`."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGINT) + (() if ignored else (signal.SIGHUP,))


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Until somebody takes the signals over: there is nothing to make durable yet."""
    before = {number: signal.signal(number, _end) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    """End the program from wherever it is, without an exception that a library could swallow."""
    del number, frame
    os._exit(0)
