"""NDJSON in pieces of some lines each, which can be decoded with one call."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

_LONG: Final = 16_384
"""Bytes from which it pays to look for the ends of all lines at once."""
_LINES: Final = 20
"""In a piece: what is made of one and let go before the next leaves it a place near at hand."""
_OPENING, _CLOSING, _NEWLINE = b"{}\n"


def pieces(body: bytes) -> Iterator[tuple[int, bytes]] | None:
    """Whole lines: how many, and their text. None for a short body, or where it is not safe.

    Each newline is behind a closing brace and before an opening one, which happens between two
    objects and never inside of one. So a piece that holds as many objects as lines has one on each.
    """
    if len(body) < _LONG:
        return None
    import numpy as np  # noqa: PLC0415 - `leakline --help` has no use for it

    letters = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(letters[:-1] == _NEWLINE)
    if not ((letters[ends - 1] == _CLOSING) & (letters[ends + 1] == _OPENING)).all():
        return None
    lines = len(ends) + 1
    places = [-1, *ends[_LINES - 1 :: _LINES].tolist(), len(body)]
    return (
        (min(_LINES, lines - number * _LINES), body[end + 1 : next_end])
        for number, (end, next_end) in enumerate(pairwise(places))
    )
