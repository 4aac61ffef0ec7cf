"""Examples of `newcomer_rush`: what it fires on, and near misses."""

import pytest

from schemas.usage_event import UsageEvent
from tests.support.events import DAY, HOUR, burst, thief
from tests.support.examples import NOW, Example, findings, honest


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
    "no more than in the owner's own sessions": lambda: honest(
        *(burst(NOW - day * DAY, 60, seconds=240) for day in range(1, 8)), away(20)
    ),
    "the owner in a hurry": lambda: honest(burst(NOW, 100)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("newcomer_rush", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("newcomer_rush", example)
