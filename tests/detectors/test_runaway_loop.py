"""Examples of `runaway_loop`: what it fires on, and near misses."""

import random
from collections.abc import Sequence

import pytest

from pipeline.message import Message
from schemas.fields import epoch
from schemas.usage_event import UsageEvent
from tests.support.events import burst, event, messages, workday
from tests.support.examples import (
    HONEST_DAYS,
    NOW,
    Example,
    Heard,
    findings,
    heard_in,
    honest,
)


def by_turns(lengths: tuple[int, ...]) -> list[UsageEvent]:
    """Thirty a minute like a clock, through the addresses of an office by turns."""
    return [
        event(
            NOW + n * 2,
            cost_usd=0.02,
            client_ip=f"84.112.{20 + n % 3}.5",
            input_tokens=lengths[n // 30 % len(lengths)],
        )
        for n in range(600)
    ]


def working(per_minute: int, lengths: Sequence[int], in_a_row: int | None = None) -> list[Message]:
    """A key that is worked with at twelve a minute, now and then; then something by a clock.

    Args:
        per_minute: what the clock makes.
        lengths: of its prompts, by turns …
        in_a_row: … of so many requests, or of a minute.
    """
    in_a_row = in_a_row or per_minute
    honest = [
        event(workday(day, hour) + n * 5 + n % 7, cost_usd=0.02, input_tokens=300 + 37 * (n % 50))
        for day in range(HONEST_DAYS)
        for hour in (9, 11, 14, 16)
        for n in range(180)
    ]
    loop = [
        event(
            workday(HONEST_DAYS, 9) + n * 60 / per_minute,
            cost_usd=0.02,
            input_tokens=lengths[n // in_a_row % len(lengths)],
        )
        for n in range(40 * per_minute)
    ]
    return messages([*honest, *loop], 60)


def sessions() -> list[UsageEvent]:
    """Two quarters of an hour a day of fifty requests each, in gusts."""
    return [
        event(workday(day, hour) + n // 10 * 180 + n % 10, cost_usd=0.02, input_tokens=300 + 37 * n)
        for day in range(HONEST_DAYS)
        for hour in (9, 15)
        for n in range(50)
    ]


def steadily(at: float, per_minute: int, minutes: int) -> list[UsageEvent]:
    """One prompt, again and again."""
    return [event(at + n * 60 / per_minute, cost_usd=0.02) for n in range(per_minute * minutes)]


def unsteadily(at: float) -> list[UsageEvent]:
    """One prompt, evenly for ten minutes at a time: one a minute, four, and one again."""
    return [each for turn in range(9) for each in steadily(at + turn * 600, 1 + 3 * (turn % 2), 10)]


def refused_now_and_then(requests: list[UsageEvent]) -> list[UsageEvent]:
    refusal = {"status": 400, "error_type": "invalid_request", "cost_usd": 0.0, "input_tokens": 0}
    return [
        event(epoch(each.occurred_at), **refusal) if number % 10 == 0 else each
        for number, each in enumerate(requests)
    ]


_RANDOM = random.Random(1)  # noqa: S311 - no secret
VARIED = [round(900 * _RANDOM.lognormvariate(0.0, 0.3)) for _ in range(800)]
FIRES: dict[str, Example] = {
    "one prompt by a clock, at the pace of people": lambda: working(13, (900,)),
    "one prompt by a clock all through an hour, slower than people": lambda: messages(
        [*sessions(), *steadily(workday(HONEST_DAYS, 2), 4, 90)], 60
    ),
    "the same, now and then refused": lambda: messages(
        [*sessions(), *refused_now_and_then(steadily(workday(HONEST_DAYS, 2), 4, 90))], 60
    ),
    "one prompt by way of several addresses": lambda: honest(by_turns((900,))),
    "thirty a minute, like a clock": lambda: honest(burst(NOW, 600, seconds=1200, cost_usd=0.02)),
    "a model without a price": lambda: honest(
        burst(NOW, 600, seconds=1200, model="ft:our-own", cost_usd=None)
    ),
}
QUIET: dict[str, Example] = {
    "as many prompts as requests by a clock, though every minute's mean is alike": lambda: working(
        20, VARIED, in_a_row=1
    ),
    "the same for a quarter of an hour": lambda: messages(
        [*sessions(), *steadily(workday(HONEST_DAYS, 2), 4, 16)], 60
    ),
    "the same, but no clock for as long": lambda: messages(
        [*sessions(), *unsteadily(workday(HONEST_DAYS, 2))], 60
    ),
    "the same where that many an hour are usual": lambda: messages(
        [
            *(each for day in range(9) for each in steadily(workday(day, 2), 4, 60)),
            *steadily(workday(9, 2), 4, 90),
        ],
        60,
    ),
    "one prompt by a clock, at a pace that is nothing": lambda: working(6, (900,)),
    "many prompts by a clock, at the pace of people": lambda: working(13, (300, 900, 2000)),
    "many prompts by way of several addresses": lambda: honest(by_turns((300, 900, 2000))),
    "three a minute": lambda: honest(burst(NOW, 60, seconds=1200, cost_usd=0.02)),
    "as many, in gusts": lambda: honest(
        [event(NOW + n // 100 * 200 + n % 100 * 0.2, cost_usd=0.02) for n in range(600)]
    ),
    "as many, in waves": lambda: honest(
        [
            event(NOW + minute * 60 + n, cost_usd=0.02)
            for minute in range(20)
            for n in range(50 if minute % 2 else 10)
        ]
    ),
    "a loop that is over at once": lambda: honest(burst(NOW, 60, seconds=60, cost_usd=0.02)),
}


def test_a_slow_clock_is_heard_within_half_an_hour() -> None:
    slow = FIRES["one prompt by a clock all through an hour, slower than people"]
    first = min(each.key.now for each in heard_in(slow) if _found(each))
    assert first < workday(HONEST_DAYS, 2.5) + 60.0


def _found(heard: Heard) -> bool:
    return heard.detector == "runaway_loop" and heard.finding is not None


def test_a_loop_that_costs_cents_says_less_however_fast_it_is() -> None:
    def most(cost_usd: float) -> float:
        fast = burst(NOW, 6_000, seconds=1200, cost_usd=cost_usd)
        return max(each.score for each in findings("runaway_loop", lambda: honest(fast)))

    assert most(0.00001) < 9.0
    assert most(0.01) > 9.0


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("runaway_loop", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("runaway_loop", example)
