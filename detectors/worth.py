"""What evidence about nothing but cost is worth."""

import math
from typing import Final

from detectors.baselines.totals import Totals

WORTH_USD: Final = 0.3
_WORTH_DECADE: Final = 0.15
_WORTH_MIN: Final = 0.6
"""Full weight from so many dollars on; a decade below takes a seventh off, down to six tenths."""
_TRIED: Final = 0.4
"""What counts of a few requests that cost nothing."""
_GUESSED_NANOS: Final = 300
"""Nano-dollars a token where no price is known: thirty cents a million, as small models cost."""


def guess(totals: Totals) -> int:
    """Nano-dollars that requests without a price may have cost: unknown is not free."""
    if not totals.unpriced:
        return 0
    tokens = totals.input_tokens + totals.output_tokens
    return _GUESSED_NANOS * tokens * totals.unpriced // totals.requests


def cost(totals: Totals) -> int:
    """Nano-dollars, with a guess at what has no price."""
    return totals.nanos + guess(totals)


def invested(nanos: float) -> float:
    """Factor on evidence of a few requests, however odd: who is serious spends thirty cents."""
    return min(1.0, _TRIED + (1.0 - _TRIED) * nanos / (WORTH_USD * 1e9))


def worth(totals: Totals, full_usd: float = WORTH_USD) -> float:
    """Factor on evidence about nothing but cost: what costs cents hardly wakes anybody.

    Args:
        totals: what was done.
        full_usd: dollars from which on it has its full weight.
    """
    usd = max(cost(totals), 1.0) / 1e9
    return max(_WORTH_MIN, min(1.0, 1.0 + _WORTH_DECADE * math.log10(usd / full_usd)))
