"""How many different things were seen, in a bounded number of their hashes.

The smallest hashes are kept, in order (k minimum values; Bar-Yossef et al., RANDOM 2002), so that
the order and the repetition of what is seen do not matter.
"""

from bisect import bisect_left
from typing import Final

SIZE: Final = 64
"""Fewer are counted exactly, others are estimated with a standard error of about 13 %."""
_SPACE: Final = 2**64


def note(sketch: list[int], digest: int) -> None:
    """Count a thing by its 64-bit hash."""
    full = len(sketch) >= SIZE
    if full and digest >= sketch[-1]:
        return
    place = bisect_left(sketch, digest)
    if place < len(sketch) and sketch[place] == digest:
        return
    sketch.insert(place, digest)
    if full:
        sketch.pop()


def distinct(sketch: list[int]) -> int:
    """How many different things were counted."""
    if len(sketch) < SIZE:
        return len(sketch)
    return round((SIZE - 1) * _SPACE / sketch[-1])
