"""Examples of `crowd`: what it fires on, and near misses."""

import pytest

from detectors.crowd import Crowd
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


def most(addresses: tuple[str, ...]) -> float:
    """What counts at most of what is said of such a crowd."""
    found = findings("crowd", lambda: honest(crowd(addresses)))
    return max(min(each.score, Crowd.score_max) for each in found)


def test_a_crowd_counts_for_as_many_networks_as_it_comes_from() -> None:
    more = ("177.10.1.1", "49.36.1.1", "102.89.1.1", "181.45.1.1", "14.161.1.1")
    assert most((*STRANGERS, *more)) > most(STRANGERS) + 1.5


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("crowd", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("crowd", example)
