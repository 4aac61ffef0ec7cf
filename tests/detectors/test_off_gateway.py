"""Examples of `off_gateway`: what it fires on, and near misses."""

from collections.abc import Sequence

import pytest

from pipeline.message import Message
from schemas.key_record import KeyRecord
from schemas.provider_usage import ProviderUsage
from schemas.usage_event import UsageEvent
from tests.support.events import HOUR, KEY, burst, control, event, run, workday
from tests.support.examples import TODAY, Example, findings, honest

HOUR_BEFORE = workday(TODAY - 1, 10)


BUSY = burst(HOUR_BEFORE + 300, 500, cost_usd=0.01)
UNPRICED = burst(HOUR_BEFORE + 300, 500, model="ft:our-own", cost_usd=None)
SEEN_USD = sum(each.cost_usd or 0.0 for each in BUSY)
SEEN = sum((each.input_tokens or 0) + (each.output_tokens or 0) for each in BUSY)
FEW = burst(HOUR_BEFORE + 300, 5, cost_usd=0.01)
SEEN_OF_FEW = sum((each.input_tokens or 0) + (each.output_tokens or 0) for each in FEW)


A_MODEL_WITHOUT_A_PRICE = burst(
    HOUR_BEFORE + 310, 40, model="our-own", input_tokens=2_000, cost_usd=None
)
SEEN_OF_IT = sum(
    (each.input_tokens or 0) + (each.output_tokens or 0) for each in A_MODEL_WITHOUT_A_PRICE
)
IMAGES = burst(
    HOUR_BEFORE + 320,
    5,
    model="our-images",
    operation="images",
    input_tokens=0,
    output_tokens=0,
    cost_usd=None,
)
RECORD = KeyRecord(key_id=KEY, provider="openai", provider_key_id="provider-1")


def billed(
    usd: float | None, tokens: int, use: Sequence[UsageEvent] = BUSY, *, cached: int = 0
) -> list[Message]:
    return by_lines((usd, tokens), use=use, cached=cached)


def by_lines(
    *lines: tuple[float | None, int], use: Sequence[UsageEvent] = BUSY, cached: int = 0
) -> list[Message]:
    """A bill of an hour: the dollars and tokens of each of its lines."""
    bills = [
        ProviderUsage(
            provider="openai",
            key_id=KEY,
            model=f"line-{number}",
            window_start=HOUR_BEFORE,
            window_end=HOUR_BEFORE + 3600,
            input_tokens=tokens,
            cached_input_tokens=cached,
            cost_usd=usd,
            observed_at=workday(TODAY - 1, 18),
        )
        for number, (usd, tokens) in enumerate(lines)
    ]
    return [*honest(use, record=RECORD), *(control("provider-usage", each) for each in bills)]


def by_the_hour(seen: int, *tokens: int, price: float = 1.0, counted: bool = True) -> list[Message]:
    """Bills of hours in each of which the gateway saw so many tokens, at a cent a thousand.

    Args:
        seen: by the gateway, each hour.
        tokens: billed in each.
        price: cents a thousand on the bill.
        counted: whether the bill says how many they were.
    """
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
            input_tokens=tokens[hour] if counted else 0,
            cost_usd=price * tokens[hour] / 1e5,
            observed_at=workday(TODAY - 1, 18),
        )
        for hour in hours
    ]
    return [*honest(use, record=RECORD), *(control("provider-usage", bill) for bill in bills)]


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
    "ten times the tokens, which credits paid": lambda: billed(0.0, 10 * SEEN),
    "three times the tokens, below the list price": lambda: billed(0.5 * SEEN_USD, 3 * SEEN),
    "twice the tokens at half the price": lambda: by_the_hour(
        200_000, 200_000, 200_000, 400_000, price=0.5
    ),
    "a third more tokens at three quarters of the price": lambda: by_the_hour(
        200_000, 200_000, 200_000, 267_000, price=0.75
    ),
    "more tokens than were cached, for the same money": lambda: billed(
        SEEN_USD, round(1.5 * SEEN), cached=1_000
    ),
    "money on a line without tokens, beside tokens on one without money": lambda: by_lines(
        (None, SEEN), (4.0 * SEEN_USD, 0)
    ),
    "a sixth more on bills without tokens": lambda: by_the_hour(
        200_000, 200_000, 199_000, 240_000, counted=False
    ),
    "a hundred dollars, beside images without a price": lambda: billed(
        SEEN_USD + 100.0, SEEN, [*BUSY, *IMAGES]
    ),
    "twice the tokens, some of which have no price": lambda: billed(
        9.0, 2 * SEEN, [*BUSY, *A_MODEL_WITHOUT_A_PRICE]
    ),
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
    "half the price, for the tokens that the gateway saw": lambda: billed(0.5 * SEEN_USD, SEEN),
    "credits, for the tokens that the gateway saw": lambda: billed(0.0, SEEN),
    "a third more tokens, as many as the bill says were cached": lambda: billed(
        1.02 * SEEN_USD, round(1.33 * SEEN), cached=round(0.4 * SEEN)
    ),
    "a long request on bills without tokens": lambda: by_the_hour(
        200_000, 80_000, 320_000, counted=False
    ),
    "lines without money, for the tokens that the gateway saw": lambda: by_lines(
        (None, SEEN - 10_000), (0.01, 10_000)
    ),
    "what a dear model without a price costs": lambda: billed(
        SEEN_USD + 7.0, SEEN + SEEN_OF_IT, [*BUSY, *A_MODEL_WITHOUT_A_PRICE]
    ),
    "what images without a price cost": lambda: billed(SEEN_USD + 6.0, SEEN, [*BUSY, *IMAGES]),
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


def test_what_went_past_is_told_in_dollars_of_the_bill() -> None:
    """At half the list price, two hundred thousand more tokens are a dollar and not nothing."""
    (finding,) = findings(
        "off_gateway", lambda: by_the_hour(200_000, 200_000, 200_000, 400_000, price=0.5)
    )
    assert finding.evidence["unseen_usd"] == pytest.approx(1.0)
    assert "200,000 tokens (about $1.00) went past it." in finding.summary


@pytest.mark.parametrize(
    ("tokens", "severity"),
    [([35_000], "ticket"), ([120_000], "page"), ([35_000] * 6, "page")],
    ids=["35 cents", "a dollar and twenty cents", "35 cents an hour"],
)
def test_some_cents_in_one_window_wake_nobody(tokens: list[int], severity: str) -> None:
    assert run(by_the_hour(0, *tokens)).incidents[-1].severity == severity


def test_where_the_bill_has_no_money_the_gateways_prices_tell() -> None:
    (finding,) = findings("off_gateway", lambda: billed(None, 2 * SEEN))
    assert finding.evidence["unseen_usd"] == pytest.approx(SEEN_USD, rel=0.05)
    assert "billed_usd" not in finding.evidence


def test_nothing_less_than_nothing_went_past() -> None:
    """On a bill that counts no requests, and a little fewer tokens than the gateway."""
    (finding,) = findings("off_gateway", lambda: billed(2.5 * SEEN_USD, SEEN - 5))
    assert finding.evidence["unseen_tokens"] == 0
    assert "unseen_requests" not in finding.evidence
