"""Examples of `off_gateway`: what it fires on, and near misses."""

from collections.abc import Sequence

import pytest

from pipeline.message import Message
from schemas.key_record import KeyRecord
from schemas.provider_usage import ProviderUsage
from schemas.usage_event import UsageEvent
from tests.support.events import HOUR, KEY, burst, control, event, workday
from tests.support.examples import TODAY, Example, findings, honest

HOUR_BEFORE = workday(TODAY - 1, 10)


BUSY = burst(HOUR_BEFORE + 300, 500, cost_usd=0.01)
UNPRICED = burst(HOUR_BEFORE + 300, 500, model="ft:our-own", cost_usd=None)
SEEN_USD = sum(each.cost_usd or 0.0 for each in BUSY)
SEEN = sum((each.input_tokens or 0) + (each.output_tokens or 0) for each in BUSY)
FEW = burst(HOUR_BEFORE + 300, 5, cost_usd=0.01)
SEEN_OF_FEW = sum((each.input_tokens or 0) + (each.output_tokens or 0) for each in FEW)


def billed(usd: float | None, tokens: int, use: Sequence[UsageEvent] = BUSY) -> list[Message]:
    bill = ProviderUsage(
        provider="openai",
        key_id=KEY,
        window_start=HOUR_BEFORE,
        window_end=HOUR_BEFORE + 3600,
        input_tokens=tokens,
        cost_usd=usd,
        observed_at=workday(TODAY - 1, 18),
    )
    record = KeyRecord(key_id=KEY, provider="openai", provider_key_id="provider-1")
    return [*honest(use, record=record), control("provider-usage", bill)]


def by_the_hour(seen: int, *tokens: int) -> list[Message]:
    """Bills of hours in each of which the gateway saw so many tokens, at a cent a thousand."""
    first, hours = workday(TODAY - 1, 2), range(len(tokens))
    use = [
        event(first + hour * HOUR + 60, input_tokens=seen, output_tokens=0, cost_usd=seen / 1e5)
        for hour in hours
        if seen
    ]
    bills = [
        ProviderUsage(
            provider="openai",
            key_id=KEY,
            window_start=first + hour * HOUR,
            window_end=first + (hour + 1) * HOUR,
            input_tokens=tokens[hour],
            cost_usd=tokens[hour] / 1e5,
            observed_at=workday(TODAY - 1, 18),
        )
        for hour in hours
    ]
    record = KeyRecord(key_id=KEY, provider="openai", provider_key_id="provider-1")
    return [*honest(use, record=record), *(control("provider-usage", bill) for bill in bills)]


FIRES: dict[str, Example] = {
    "too little in each hour, but in six": lambda: by_the_hour(0, *[12_000] * 6),
    "more than what the hour before was billed too little": lambda: by_the_hour(
        200_000, 190_000, 400_000
    ),
    "twice as dear, for the tokens that the gateway saw": lambda: billed(2.5 * SEEN_USD, SEEN),
    "three dollars for no tokens": lambda: billed(3.05, SEEN_OF_FEW, FEW),
    "a fifth more of both": lambda: billed(1.3 * SEEN_USD, round(1.3 * SEEN)),
    "forty dollars past the gateway": lambda: billed(40.0, 9_000_000),
    "a bill without costs, for twice the tokens": lambda: billed(None, 2 * SEEN),
    "twice the tokens of a model without a price": lambda: billed(9.0, 2 * SEEN, UNPRICED),
}
QUIET: dict[str, Example] = {
    "a dollar and a half for no tokens": lambda: billed(1.55, SEEN_OF_FEW, FEW),
    "too little in two hours": lambda: by_the_hour(0, *[8_000] * 2),
    "what one hour is billed too much, the next is too little": lambda: by_the_hour(
        20_000, *[35_000, 5_000] * 4
    ),
    "a long request is billed where it ended": lambda: by_the_hour(200_000, 80_000, 320_000),
    "a third more tokens, which were cached and cost nothing": lambda: billed(
        1.02 * SEEN_USD, round(1.33 * SEEN)
    ),
    "a bill of cents": lambda: billed(0.02, 9_000),
    "dearer by a fifth, for the tokens that the gateway saw": lambda: billed(1.2 * SEEN_USD, SEEN),
    "a bill without costs, for the tokens that the gateway saw": lambda: billed(None, SEEN),
    "what a model without a price costs": lambda: billed(9.0, SEEN, UNPRICED),
    "nothing billed": lambda: billed(0.0, 0),
    "no bill": honest,
}


def test_a_theft_that_is_over_is_not_told_of_again() -> None:
    during = findings("off_gateway", lambda: by_the_hour(5_000, *[40_000] * 4))
    until_after = findings("off_gateway", lambda: by_the_hour(5_000, *[40_000] * 4, *[5_000] * 4))
    assert len(during) == len(until_after) > 0


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("off_gateway", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("off_gateway", example)
