"""Examples of `token_stuffing`: what it fires on, and near misses."""

import pytest

from tests.support.events import burst
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "prompts as long as books": lambda: honest(burst(NOW, 20, input_tokens=180_000, cost_usd=0.45)),
}
QUIET: dict[str, Example] = {
    "prompts as usual": lambda: honest(burst(NOW, 60)),
    "somewhat longer": lambda: honest(burst(NOW, 20, input_tokens=1_500)),
    "one book": lambda: honest(burst(NOW, 1, input_tokens=180_000, cost_usd=0.45)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("token_stuffing", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("token_stuffing", example)
