"""Examples of `spend_spike`: what it fires on, and near misses."""

import pytest

from tests.support.events import burst
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "two hundred dollars in ten minutes": lambda: honest(burst(NOW, 400, cost_usd=0.5)),
    "a thousand cheap requests": lambda: honest(burst(NOW, 1_000, cost_usd=0.0001)),
}
QUIET: dict[str, Example] = {
    "a busy quarter of an hour": lambda: honest(burst(NOW, 20, seconds=900)),
    "one dear request": lambda: honest(burst(NOW, 1, cost_usd=0.1)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("spend_spike", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("spend_spike", example)
