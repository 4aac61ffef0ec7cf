"""Examples of `dormant`: what it fires on, and near misses."""

import pytest

from tests.support.events import DAY, burst, messages, office
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "two months of silence": lambda: honest(burst(NOW + 60 * DAY, 20)),
}
QUIET: dict[str, Example] = {
    "a weekend": lambda: messages(office(21)),
    "a night": lambda: honest(burst(NOW, 20)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("dormant", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("dormant", example)
