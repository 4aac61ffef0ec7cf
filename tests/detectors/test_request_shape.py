"""Examples of `request_shape`: what it fires on, and near misses."""

import math

import numpy as np
import pytest
from msgspec.structs import replace

from detectors.baselines.newcomers import STRANGE_NATS
from detectors.request_shape import RequestShape
from pipeline.message import Message
from schemas.usage_event import UsageEvent
from tests.support.events import ABROAD, HOUR, burst, event, messages, office
from tests.support.examples import HONEST_DAYS, NOW, Example, findings, honest, listen

SERVICE: dict[str, object] = {"stream": True, "cached_input_tokens": 300, "end_user": "anna"}


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


def asked(own: dict[str, object], other: dict[str, object], requests: int = 12) -> list[Message]:
    """An office that asks in one manner, and a stranger with the same work who asks in another."""
    office_days = [replace(each, **own) for each in office(HONEST_DAYS)]
    stranger = others(670, 110, requests, client_ip=ABROAD, **other)
    return messages([*office_days, *stranger], 60)


FIRES: dict[str, Example] = {
    "a stranger with the owner's tools and far longer answers": lambda: work(
        900, 900, client_ip=ABROAD
    ),
    "a stranger with far shorter prompts": lambda: work(60, 120, client_ip=ABROAD),
    "a stranger on a key that is known by a hundred requests": lambda: seldom(100),
    "a stranger with prompts three times as long": lambda: work(2500, 110, client_ip=ABROAD),
    "a stranger who has the answers streamed": lambda: asked({"stream": False}, {"stream": True}),
    "a stranger whose prompts the provider never saw": lambda: asked(
        {"cached_input_tokens": 500}, {}
    ),
    "a stranger who names no end users": lambda: asked({"end_user": "anna"}, {}),
}
QUIET: dict[str, Example] = {
    "embeddings, which have no answer": lambda: honest(
        burst(NOW, 400, seconds=HOUR, client_ip=ABROAD, input_tokens=60, output_tokens=0)
    ),
    "a stranger who does what the owner does": lambda: work(800, 100, client_ip=ABROAD),
    "a stranger's first request": lambda: work(1800, 120, 1, client_ip=ABROAD),
    "a stranger on a key that is known by fifty requests": lambda: seldom(50),
    "a stranger who asks as the owner does": lambda: asked(SERVICE, SERVICE),
    "a stranger of whom the gateway does not say it": lambda: asked({"stream": False}, {}),
    "an owner of whom the gateway does not say it": lambda: asked({}, {"stream": True}),
    "other work of the key's own source": lambda: work(60, 900),
    "a stranger whose requests are all refused": lambda: work(
        60, 900, client_ip=ABROAD, status=401
    ),
}


def test_it_tells_what_is_odd_about_how_a_stranger_asks() -> None:
    last = findings("request_shape", FIRES["a stranger who has the answers streamed"])[-1]
    assert last.summary.endswith("; all are streamed, 0% of the key's own.")


@pytest.mark.parametrize("client_ip", [ABROAD, "10.7.0.9"], ids=["at home", "within"])
def test_who_tries_a_key_asks_for_something_else_and_is_no_thief_for_that(client_ip: str) -> None:
    def most(requests: int, **changes: object) -> float:
        log = work(60, 900, requests, client_ip=client_ip, cost_usd=0.0001, **changes)
        return max((each.score for each in findings("request_shape", lambda: log)), default=0.0)

    tried = most(8, user_agent="curl/8.9")
    assert tried < 0.6 * most(40, user_agent="curl/8.9")
    assert tried < 0.6 * most(8, user_agent="okhttp/4.12")


def test_another_machine_of_the_owners_takes_part_in_a_long_conversation() -> None:
    log = work(2500, 110, client_ip=ABROAD)
    key = [each.key for each in listen(log) if each.detector == "request_shape"][-1]
    key.windows.conversation = 100_000
    assert RequestShape().judge(key) is not None, "a stranger does not"
    for newcomer in key.newcomers:
        newcomer.nats = STRANGE_NATS - 0.1
    assert RequestShape().judge(key) is None
    key.windows.conversation = 0
    assert RequestShape().judge(key) is not None


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("request_shape", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("request_shape", example)
