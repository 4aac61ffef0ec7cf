"""The provider bills what the gateway never saw."""

import math

from detectors.baselines.billing import Gap
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import dollars

_TOLERANCE = 0.1
"""Share of the bill that rounding and cut-off requests explain."""
_PRICE_TOLERANCE = 0.5
"""The same when the gateway saw every token: then prices differ, not use."""
_NANOS_MIN = 200_000_000
_TOKENLESS_NANOS_MIN = 2_000_000_000
"""Dollars from which it counts then: searches, files and tries in a playground are billed without
tokens."""
_TOKENS_MIN = 50_000
_FRESH_SECONDS = 7200.0


class OffGateway(Detector):
    """Bill and gateway compared window by window, and over the windows of a day."""

    name = "off_gateway"
    question = "Is the provider's key used beside the gateway?"
    catches = "A provider key that leaked itself: its thief never passes the gateway."
    misses = "Cents a day, a dollar or two for no tokens, and what the provider has not billed yet."
    advice = "Rotate the provider's key: the gateway cannot block what does not pass it."
    triggers = Trigger.CONTROL
    causes = {"off_gateway": 1.0}
    score_max = 14.0
    about = "facts"

    def judge(self, key: KeyView) -> Finding | None:
        books = key.history.books
        if books.gap is None or key.now - books.gap.observed > _FRESH_SECONDS:
            return None
        gap = (
            max(books.gap, books.sum or books.gap, key=_nats) if _goes_on(books.gap) else books.gap
        )
        score = _nats(gap)
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=float(gap.start),
            summary=_summary(gap),
            evidence={
                "billed_tokens": gap.tokens + gap.gateway_tokens,
                "gateway_tokens": gap.gateway_tokens,
                "unseen_tokens": gap.tokens,
                "unseen_requests": gap.requests,
                "windows": gap.windows,
            }
            | (_money(gap) if gap.priced else {}),
        )


def _goes_on(gap: Gap) -> bool:
    """Whether the last bill adds to the sum: what is over has been told of."""
    billed = gap.tokens + gap.gateway_tokens, gap.nanos + gap.gateway_nanos
    return gap.tokens > _TOLERANCE * billed[0] or gap.nanos > _PRICE_TOLERANCE * billed[1]


def _nats(gap: Gap) -> float:
    by_tokens = _evidence(gap.tokens, gap.tokens + gap.gateway_tokens, _TOKENS_MIN, _TOLERANCE)
    if not gap.priced:
        return by_tokens
    # Where the money agrees, the tokens that differ were cached, and cost next to nothing.
    agrees = gap.nanos < _TOLERANCE * (gap.nanos + gap.gateway_nanos)
    return max(_by_money(gap), 0.0 if agrees else by_tokens)


def _by_money(gap: Gap) -> float:
    billed_tokens = gap.tokens + gap.gateway_tokens
    dearer = billed_tokens > 0 and gap.tokens < _TOLERANCE * billed_tokens
    tolerance, least = (
        (_PRICE_TOLERANCE, _TOKENLESS_NANOS_MIN) if dearer else (_TOLERANCE, _NANOS_MIN)
    )
    return _evidence(gap.nanos, gap.nanos + gap.gateway_nanos, least, tolerance)


def _summary(gap: Gap) -> str:
    unseen = max(0, gap.tokens)
    window = "a window" if gap.windows == 1 else f"{gap.windows} windows"
    if not gap.priced:
        return (
            f"The provider billed {gap.tokens + gap.gateway_tokens:,} tokens for {window} in which "
            f"the gateway saw {gap.gateway_tokens:,}: {unseen:,} tokens went past it."
        )
    return (
        f"The provider billed {dollars(gap.nanos + gap.gateway_nanos)} for {window} in which the "
        f"gateway saw {dollars(gap.gateway_nanos)}: {dollars(max(0, gap.nanos))} and {unseen:,} "
        "tokens went past it."
    )


def _money(gap: Gap) -> dict[str, float]:
    return {
        "billed_usd": (gap.nanos + gap.gateway_nanos) / 1e9,
        "gateway_usd": gap.gateway_nanos / 1e9,
        "unseen_usd": gap.nanos / 1e9,
    }


def _evidence(excess: int, billed: int, least: int, tolerance: float) -> float:
    if excess < least or excess < tolerance * billed:
        return 0.0
    return 7.0 + math.log(excess / least)
