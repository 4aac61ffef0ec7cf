"""Python's search for cycles among objects, which the states of keys never form."""

import gc
from typing import Final

_FULL_AFTER: Final = 1_000
"""Searches among younger objects before a full one; ten as Python comes."""


def collect_seldom() -> None:
    """Look at every state of every key a hundred times as seldom: each time takes a pause."""
    gc.set_threshold(*gc.get_threshold()[:2], _FULL_AFTER)
