"""Examples of `crowd`: what it fires on, and near misses."""

import pytest

from detectors.crowd import Crowd
from schemas.usage_event import UsageEvent
from tests.support.events import event, thief
from tests.support.examples import NOW, Example, findings, honest

STRANGERS = ("200.160.2.3", "41.0.1.1", "1.208.1.1", "5.8.8.8", "103.21.1.1", "196.25.1.1")


def crowd(addresses: tuple[str, ...], **details: object) -> list[UsageEvent]:
    return [
        event(NOW + minute * 60 + number * 7, client_ip=address, **details)
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


def most(addresses: tuple[str, ...], **details: object) -> float:
    """What counts at most of what is said of such a crowd."""
    found = findings("crowd", lambda: honest(crowd(addresses, **details)))
    return max([min(each.score, Crowd.score_max) for each in found], default=0.0)


def test_a_crowd_counts_for_as_many_networks_as_it_comes_from() -> None:
    more = ("177.10.1.1", "49.36.1.1", "102.89.1.1", "181.45.1.1", "14.161.1.1")
    assert most((*STRANGERS, *more)) > most(STRANGERS) + 1.5


def test_the_owners_telephone_is_hardly_a_crowd() -> None:
    at_home = ("77.116.1.1", "178.115.1.1", "80.110.1.1", "62.46.1.1", "91.141.1.1", "188.22.1.1")
    assert most(at_home) < 0.5 * most(STRANGERS)
    assert most(at_home, user_agent="curl/8.9") > most(at_home) + 2.0, "with tools of its own"


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("crowd", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("crowd", example)
