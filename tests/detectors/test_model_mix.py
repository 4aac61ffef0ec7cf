"""Examples of `model_mix`: what it fires on, and near misses."""

import pytest

from tests.support.events import burst
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "a dear model": lambda: honest(burst(NOW, 10, model="o1-pro", cost_usd=2.0)),
}
QUIET: dict[str, Example] = {
    "the usual model": lambda: honest(burst(NOW, 10)),
    "a typo": lambda: honest(burst(NOW, 10, model="gpt-4o-mni", status=404, cost_usd=0.0)),
    "one try": lambda: honest(burst(NOW, 1, model="o1-pro", cost_usd=2.0)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("model_mix", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("model_mix", example)
