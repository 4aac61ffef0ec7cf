"""Examples of `newcomer_rush`: what it fires on, and near misses."""

import pytest

from schemas.usage_event import UsageEvent
from tests.support.events import HOUR, burst, messages, thief, workday
from tests.support.examples import NOW, TODAY, Example, findings, honest


def away(count: int) -> list[UsageEvent]:
    """Requests with the owner's client and model from a rented machine, on a day without any."""
    return burst(NOW + 2 * HOUR, count, client_ip="167.99.8.7")


FIRES: dict[str, Example] = {
    "a hundred requests": lambda: honest(burst(NOW, 30), thief(NOW, 100)),
    "a crowd of them while the owner is away": lambda: honest(away(400)),
    "a few dear ones": lambda: honest(burst(NOW, 30), thief(NOW, 12, cost_usd=5.0)),
}
QUIET: dict[str, Example] = {
    "a few cheap ones": lambda: honest(burst(NOW, 30), thief(NOW, 4, cost_usd=0.001)),
    "no more than the owner, who moved": lambda: honest(away(20)),
    "the owner in a hurry": lambda: honest(burst(NOW, 100)),
}


def test_no_more_than_in_the_owners_rare_sessions_is_hardly_a_rush() -> None:
    sessions = [
        each for day in range(TODAY) for each in burst(workday(day, 7 * day % 24), 60, seconds=240)
    ]
    strange = burst(workday(TODAY, 5), 60, seconds=240, client_ip="167.99.8.7")
    found = findings("newcomer_rush", lambda: messages([*sessions, *strange], 20))
    assert max(each.score for each in found) < 2.0


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("newcomer_rush", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("newcomer_rush", example)
