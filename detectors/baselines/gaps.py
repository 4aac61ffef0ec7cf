"""What a provider billed beyond what the gateway saw, and what that says."""

import math
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

_TOLERANCE: Final = 0.1
"""Share of the bill that rounding and cut-off requests explain."""
_PRICE_TOLERANCE: Final = 0.5
"""The same when the gateway saw every token: then prices differ, not use."""
_NANOS_MIN: Final = 200_000_000
_TOKENLESS_NANOS_MIN: Final = 2_000_000_000
"""Dollars from which it counts then: searches, files and tries in a playground are billed without
tokens."""
_TOKENS_MIN: Final = 50_000
_LEAST_NATS: Final = 5.5
"""What the least that counts says: somebody should look, and nobody be woken until it is more."""
_TELLING_NATS: Final = 0.5


class Gap(Struct, array_like=True, gc=False):
    """Use that was billed and that the gateway never saw, in a window or in several."""

    start: int
    end: int
    observed: float
    """When the key was told, in Unix seconds of its own clock."""
    requests: int
    tokens: int
    nanos: int
    """As far as the bill says what it cost: the least that it may be."""
    gateway_nanos: int
    gateway_tokens: int
    priced: bool = True
    """Whether both sides know the money; else it cannot overrule tokens."""
    windows: int = 1
    known: bool = False
    """Whether the gateway does, so that what was billed beyond it counts."""
    cached: int = 0
    """Billed tokens that the bill says were cached; 0: it may not say."""
    unpriced_nanos: int = 0
    """The most that requests without a price may have cost."""
    rate: float = 1.0
    """What the provider usually bills for what costs a dollar by the gateway's prices."""

    @property
    def billed_tokens(self) -> int:
        """Of the bill."""
        return self.tokens + self.gateway_tokens

    @property
    def billed_nanos(self) -> int:
        """Of the bill, as far as it says."""
        return self.nanos + self.gateway_nanos

    @property
    def dearer(self) -> bool:
        """Whether the gateway saw every token, so that only prices can differ."""
        return self.billed_tokens > 0 and self.tokens < _TOLERANCE * self.billed_tokens

    @property
    def unexplained_nanos(self) -> int:
        """The money that no request explains whose price the gateway does not know."""
        return self.nanos - self.unpriced_nanos if self.dearer else self.nanos

    @property
    def discount_nanos(self) -> int:
        """What the provider usually leaves off what the gateway saw."""
        return round((1.0 - self.rate) * self.gateway_nanos)

    def add(self, other: "Gap") -> None:
        """Take in the gap of another window."""
        self.start, self.end = min(self.start, other.start), max(self.end, other.end)
        self.observed = max(self.observed, other.observed)
        self.requests += other.requests
        self.tokens += other.tokens
        self.nanos += other.nanos
        self.gateway_nanos += other.gateway_nanos
        self.gateway_tokens += other.gateway_tokens
        self.known = (self.known or self.priced) and (other.known or other.priced)
        self.priced = self.priced and other.priced
        self.windows += other.windows
        self.cached += other.cached
        self.unpriced_nanos += other.unpriced_nanos

    def less(self, before: "Gap | None") -> "Gap":
        """The gap without what was billed too little in the window before.

        A request that began in one and ended in the other is billed where it ended.
        """
        short = before and (before.tokens if self.billed_tokens else before.nanos)
        if before is None or not short or short > 0:
            return self
        return replace(
            self,
            requests=self.requests + min(0, before.requests),
            tokens=self.tokens + min(0, before.tokens),
            nanos=self.nanos + min(0, before.nanos),
        )


def by_tokens(gap: Gap) -> float:
    """Evidence, in nats."""
    if gap.priced and _were_cached(gap):
        return 0.0
    return _evidence(gap.tokens, gap.billed_tokens, _TOKENS_MIN, _TOLERANCE)


def by_money(gap: Gap) -> float:
    """The same of the money."""
    if not (gap.known or gap.priced):
        return 0.0
    least = _TOKENLESS_NANOS_MIN if gap.dearer else _NANOS_MIN
    return _evidence(gap.unexplained_nanos, gap.billed_nanos, least, _tolerance(gap))


def telling(gap: Gap, whole: Gap | None) -> Gap | None:
    """Which of a window and its day says more; None when neither says anything."""
    # What is over has been told of: only a window that adds to its day speaks for it.
    found = max(gap, whole, key=_nats) if whole is not None and _goes_on(gap) else gap
    return found if _nats(found) >= _TELLING_NATS else None


def unseen_nanos(gap: Gap) -> int:
    """What went past the gateway: what is billed beyond its use at the usual rate."""
    if not _goes_on(gap):
        return 0
    beyond = gap.unexplained_nanos + gap.discount_nanos
    if beyond > 0 and (gap.known or gap.priced):
        return beyond
    # Else its tokens cost what they do on average: on the bill, or at the gateway if that has none.
    money, tokens = gap.billed_nanos, gap.billed_tokens
    if money <= 0:
        money, tokens = gap.gateway_nanos, gap.gateway_tokens
    return money * max(0, gap.tokens) // max(1, tokens)


def usual_rate(gap: Gap) -> float | None:
    """What was billed for a dollar of the gateway's, 1 at most; None where other use is in it."""
    agrees = abs(gap.tokens) < _TOLERANCE * gap.billed_tokens
    if not agrees or not gap.priced or gap.billed_nanos <= 0 or gap.gateway_nanos <= 0:
        return None
    return min(1.0, gap.billed_nanos / gap.gateway_nanos)


def _nats(gap: Gap) -> float:
    return max(by_money(gap), by_tokens(gap))


def _goes_on(gap: Gap) -> bool:
    return (
        gap.tokens > _TOLERANCE * gap.billed_tokens
        or gap.unexplained_nanos > _tolerance(gap) * gap.billed_nanos
    )


def _were_cached(gap: Gap) -> bool:
    """Whether tokens that the gateway did not see were cached, and cost next to nothing.

    Then the bill is as high as is usual for what the gateway saw. A cached token costs a tenth:
    as many again as the gateway saw would show.
    """
    billed = gap.billed_nanos
    agrees = abs(gap.nanos + gap.discount_nanos) < _TOLERANCE * billed
    return agrees and gap.tokens < gap.gateway_tokens and gap.tokens <= (gap.cached or gap.tokens)


def _tolerance(gap: Gap) -> float:
    return _PRICE_TOLERANCE if gap.dearer else _TOLERANCE


def _evidence(excess: int, billed: int, least: int, tolerance: float) -> float:
    if excess < least or excess < tolerance * billed:
        return 0.0
    return _LEAST_NATS + math.log(excess / least)
