"""Python's search for cycles among objects, which the states of keys never form."""

import gc
from typing import Final

_NEW_OBJECTS: Final = 100_000
"""Made since the last search, and not let go: what waits of some messages to be folded is less."""


def collect_seldom() -> None:
    """Search among new objects after many of them; a few hundred are enough as Python comes."""
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
