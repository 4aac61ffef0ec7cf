"""The provider bills what the gateway never saw."""

from detectors.baselines.gaps import Gap, by_money, by_tokens, unseen_nanos
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import dollars, span

_FRESH_SECONDS = 7200.0
"""For so long a bill speaks, once the key was told of it."""


class OffGateway(Detector):
    """Bill and gateway compared window by window, and over the windows of a day."""

    name = "off_gateway"
    question = "Is the provider's key used beside the gateway?"
    catches = "A provider key that leaked itself: its thief never passes the gateway."
    misses = (
        "Cents a day, a dollar or two for no tokens, what the provider has not billed yet, and, on "
        "bills without tokens, what a discount hides."
    )
    advice = "Rotate the provider's key: the gateway cannot block what does not pass it."
    triggers = Trigger.CONTROL
    causes = {"off_gateway": 1.0}
    score_max = 14.0
    about = "facts"

    def judge(self, key: KeyView) -> Finding | None:
        books = key.history.books
        gap = books.telling
        if gap is None or books.gap is None or key.now - books.gap.observed > _FRESH_SECONDS:
            return None
        money, past, whole = by_money(gap), unseen_nanos(gap), books.unseen_nanos
        summary = _of_money(gap, past) if money else _of_tokens(gap, past)
        if books.spell is not None and whole > past:
            summary += f", {dollars(whole)} in the last {span(key.now - books.spell.since)}"
        return Finding(
            score=max(money, by_tokens(gap)),
            since=float(gap.start),
            summary=f"{summary}.",
            evidence={
                "billed_tokens": gap.billed_tokens,
                "gateway_tokens": gap.gateway_tokens,
                "unseen_tokens": max(0, gap.tokens),
                "windows": gap.windows,
            }
            | _as_far_as_told(gap, max(past, whole)),
        )


def _of_money(gap: Gap, past: int) -> str:
    saw = dollars(gap.gateway_nanos)
    if gap.unpriced_nanos:
        saw += " and requests of unknown price"
    if gap.discount_nanos:
        saw += f", usually billed {dollars(gap.discount_nanos)} less"
    return (
        f"The provider billed {dollars(gap.billed_nanos)} for {_windows(gap)} in which the gateway "
        f"saw {saw}: {dollars(past)} and {max(0, gap.tokens):,} tokens went past it"
    )


def _of_tokens(gap: Gap, past: int) -> str:
    worth = f" (about {dollars(past)})" if past else ""
    return (
        f"The provider billed {gap.billed_tokens:,} tokens for {_windows(gap)} in which the "
        f"gateway saw {gap.gateway_tokens:,}: {gap.tokens:,} tokens{worth} went past it"
    )


def _windows(gap: Gap) -> str:
    return "a window" if gap.windows == 1 else f"{gap.windows} windows"


def _as_far_as_told(gap: Gap, past: int) -> dict[str, object]:
    """What not every bill and gateway tells."""
    told: dict[str, object] = {
        "unseen_requests": max(0, gap.requests),
        "billed_usd": gap.billed_nanos / 1e9,
        "gateway_usd": gap.gateway_nanos / 1e9,
        "unseen_usd": past / 1e9,
    }
    return {name: number for name, number in told.items() if number}
