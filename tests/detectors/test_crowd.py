"""Examples of `crowd`: what it fires on, and near misses."""

import pytest

from schemas.usage_event import UsageEvent
from tests.support.events import event, thief
from tests.support.examples import NOW, Example, findings, honest

STRANGERS = ("200.160.2.3", "41.0.1.1", "1.208.1.1", "5.8.8.8", "103.21.1.1", "196.25.1.1")


def crowd(addresses: tuple[str, ...]) -> list[UsageEvent]:
    return [
        event(NOW + minute * 60 + number * 7, client_ip=address)
        for minute in range(8)
        for number, address in enumerate(addresses)
    ]


FIRES: dict[str, Example] = {
    "six strangers": lambda: honest(crowd(STRANGERS)),
}
QUIET: dict[str, Example] = {
    "one stranger": lambda: honest(thief(NOW)),
    "more people of the office": lambda: honest(
        [event(NOW + n * 30, client_ip=f"84.112.20.{n + 20}") for n in range(12)]
    ),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("crowd", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("crowd", example)
