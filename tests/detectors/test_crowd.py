"""Examples of `crowd`: what it fires on, and near misses."""

import pytest

from detectors.crowd import Crowd
from schemas.usage_event import UsageEvent
from tests.support.events import HOUR, event, thief
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


def one_by_one(addresses: tuple[str, ...], hours_apart: float) -> list[UsageEvent]:
    return [
        event(NOW + number * hours_apart * HOUR + second, client_ip=address)
        for number, address in enumerate(addresses)
        for second in range(0, 300, 30)
    ]


def test_who_finds_a_key_in_public_comes_one_by_one() -> None:
    found = findings("crowd", lambda: honest(one_by_one(STRANGERS[:4], 3.0)))
    told = max(found, key=lambda each: each.score)
    assert told.score == pytest.approx(most(STRANGERS[:4]), rel=0.2), "as if they came at once"
    assert "in 4 countries never seen before" in told.summary


def test_guests_of_several_days_are_no_crowd() -> None:
    assert not findings("crowd", lambda: honest(one_by_one(STRANGERS[:4], 25.0)))


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("crowd", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("crowd", example)
