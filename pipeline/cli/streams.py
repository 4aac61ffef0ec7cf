"""Standard streams that were closed before the start, as by `>&-`.

Their descriptors would go to the next files that are opened, and what a library prints into a store
or a socket. They are held instead. Who needs the input or the output is told that it is closed;
complaints that nobody can hear are dropped.
"""

import errno
import io
import os
import sys
from typing import NoReturn


def hold_closed() -> None:
    """Take the descriptors of the standard streams that are closed."""
    if sys.stdin is None:
        _hold(0)
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_Closed("standard input")))
    if sys.stdout is None:
        _hold(1)
        sys.stdout = io.TextIOWrapper(_Closed("standard output"), write_through=True)
    if sys.stderr is None:
        _hold(2)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)


def _hold(descriptor: int) -> None:
    taken = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one, as a rule
    if taken != descriptor:
        os.dup2(taken, descriptor)
        os.close(taken)
    os.set_inheritable(descriptor, True)  # a worker of ours would be without it again


class _Closed(io.RawIOBase):
    """Refuses whatever is asked of it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> NoReturn:
        del buffer
        raise self._refusal()

    def write(self, data: object) -> NoReturn:
        del data
        raise self._refusal()

    def _refusal(self) -> OSError:
        return OSError(errno.EBADF, "closed", self._name)
