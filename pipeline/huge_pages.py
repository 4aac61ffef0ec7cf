"""Memory in huge pages, of which a processor can remember enough.

A fold jumps about among the states of its keys, hundreds of megabytes: where each of their small
pages lies has to be looked up again and again.
"""

import ctypes
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

BYTES_MIN: Final = 16 * 1024 * 1024
"""Stretches of memory below it are left alone: stacks of threads, of which little is in use."""
_COLLAPSE: Final = 25
"""`MADV_COLLAPSE`, since Linux 6.1; an older one says no, and all is as it was."""


def use_huge_pages(every_seconds: float = 10.0) -> threading.Event:
    """Gather what this process holds now and then, beside all else that it does.

    Returns:
        Ends it when set.
    """
    ended = threading.Event()

    def keep_gathering() -> None:
        while not ended.wait(every_seconds):
            gather()

    threading.Thread(target=keep_gathering, name="huge-pages", daemon=True).start()
    return ended


def gather() -> None:
    """Move what this process holds into huge pages, where the system has some.

    What lies there already costs next to nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for start, end in anonymous(Path("/proc/self/maps").read_text(encoding="utf-8")):
        advise(start, end - start, _COLLAPSE)


def anonymous(maps: str) -> Iterator[tuple[int, int]]:
    """The large stretches of a process's memory that no file stands behind.

    Args:
        maps: what Linux says of the memory of a process, as in proc(5).

    Yields:
        The first address, and the one after the last.
    """
    for line in maps.splitlines():
        addresses, rights, _, _, file, *name = line.split(maxsplit=5)
        start, end = (int(each, 16) for each in addresses.split("-"))
        is_own = rights == "rw-p" and file == "0" and name in ([], ["[heap]"])
        if is_own and end - start >= BYTES_MIN:
            yield start, end
