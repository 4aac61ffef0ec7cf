"""Examples of `request_shape`: what it fires on, and near misses."""

import math

import numpy as np
import pytest

from pipeline.message import Message
from tests.support.events import ABROAD, event
from tests.support.examples import NOW, Example, findings, honest


def work(prompt: float, answer: float, requests: int = 40, **changes: object) -> list[Message]:
    """An office (prompts of about 670 tokens, answers of 110), and a burst of others' lengths."""
    rng = np.random.default_rng(requests)
    lengths = np.exp(rng.normal((math.log(prompt), math.log(answer)), 0.5, (requests, 2)))
    others = [
        event(
            NOW + 60.0 * number,
            input_tokens=round(length[0]),
            output_tokens=round(length[1]),
            **changes,
        )
        for number, length in enumerate(lengths)
    ]
    return honest(others)


FIRES: dict[str, Example] = {
    "a stranger with the owner's tools and far longer answers": lambda: work(
        900, 900, client_ip=ABROAD
    ),
    "a stranger with far shorter prompts": lambda: work(60, 120, client_ip=ABROAD),
    "a stranger with prompts three times as long": lambda: work(2500, 110, client_ip=ABROAD),
}
QUIET: dict[str, Example] = {
    "a stranger who does what the owner does": lambda: work(800, 100, client_ip=ABROAD),
    "a stranger's first request": lambda: work(1800, 120, 1, client_ip=ABROAD),
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
