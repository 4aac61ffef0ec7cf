"""Examples of `runaway_loop`: what it fires on, and near misses."""

import pytest

from tests.support.events import burst, event
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "thirty a minute, like a clock": lambda: honest(burst(NOW, 600, seconds=1200, cost_usd=0.02)),
}
QUIET: dict[str, Example] = {
    "three a minute": lambda: honest(burst(NOW, 60, seconds=1200, cost_usd=0.02)),
    "as many, in gusts": lambda: honest(
        [event(NOW + n // 100 * 200 + n % 100 * 0.2, cost_usd=0.02) for n in range(600)]
    ),
    "a loop that is over at once": lambda: honest(burst(NOW, 60, seconds=60, cost_usd=0.02)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("runaway_loop", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("runaway_loop", example)
