"""Examples of `request_shape`: what it fires on, and near misses."""

import math

import numpy as np
import pytest

from pipeline.message import Message
from schemas.usage_event import UsageEvent
from tests.support.events import ABROAD, HOUR, event, messages
from tests.support.examples import NOW, Example, findings, honest


def others(prompt: float, answer: float, requests: int = 40, **changes: object) -> list[UsageEvent]:
    """Requests a minute apart, of log-normal lengths around these."""
    rng = np.random.default_rng(requests)
    lengths = np.exp(rng.normal((math.log(prompt), math.log(answer)), 0.5, (requests, 2)))
    return [
        event(
            NOW + 60.0 * number,
            input_tokens=round(length[0]),
            output_tokens=round(length[1]),
            **changes,
        )
        for number, length in enumerate(lengths)
    ]


def work(prompt: float, answer: float, requests: int = 40, **changes: object) -> list[Message]:
    """An office (prompts of about 670 tokens, answers of 110), and others' requests."""
    return honest(others(prompt, answer, requests, **changes))


def seldom(hours: int) -> list[Message]:
    """A key that is used once an hour, and then by a stranger with other work."""
    own = [event(NOW - HOUR * number) for number in range(hours, 0, -1)]
    return messages([*own, *others(60, 900, client_ip=ABROAD)], 60)


FIRES: dict[str, Example] = {
    "a stranger with the owner's tools and far longer answers": lambda: work(
        900, 900, client_ip=ABROAD
    ),
    "a stranger with far shorter prompts": lambda: work(60, 120, client_ip=ABROAD),
    "a stranger on a key that is known by a hundred requests": lambda: seldom(100),
    "a stranger with prompts three times as long": lambda: work(2500, 110, client_ip=ABROAD),
}
QUIET: dict[str, Example] = {
    "a stranger who does what the owner does": lambda: work(800, 100, client_ip=ABROAD),
    "a stranger's first request": lambda: work(1800, 120, 1, client_ip=ABROAD),
    "a stranger on a key that is known by fifty requests": lambda: seldom(50),
    "other work of the key's own source": lambda: work(60, 900),
    "a stranger whose requests are all refused": lambda: work(
        60, 900, client_ip=ABROAD, status=401
    ),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("request_shape", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("request_shape", example)
