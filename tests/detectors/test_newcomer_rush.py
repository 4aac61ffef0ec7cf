"""Examples of `newcomer_rush`: what it fires on, and near misses."""

import pytest

from tests.support.events import burst, thief
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "a hundred requests": lambda: honest(burst(NOW, 30), thief(NOW, 100)),
    "a few dear ones": lambda: honest(burst(NOW, 30), thief(NOW, 12, cost_usd=5.0)),
}
QUIET: dict[str, Example] = {
    "a few cheap ones": lambda: honest(burst(NOW, 30), thief(NOW, 4, cost_usd=0.001)),
    "the owner in a hurry": lambda: honest(burst(NOW, 100)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("newcomer_rush", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("newcomer_rush", example)
