"""Columns whose values repeat, so that each value is looked at once and not in every row."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

H = TypeVar("H", bound=Hashable)
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A column of text, as the driver's text types of this package take it."""

    values: Sequence[str | None]
    """Some may be the same."""
    places: Places
    """For each row, which of the values it has."""

    def __len__(self) -> int:
        return len(self.places)


def distinct(items: Iterable[H], rows: int) -> tuple[list[H], Places]:
    """The different ones of so many items in order of appearance, and which of them each is."""
    numbers: defaultdict[H, int] = defaultdict(count().__next__)
    places = np.fromiter(map(numbers.__getitem__, items), np.intp, rows)
    return list(numbers), places
