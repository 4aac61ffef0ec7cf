"""Examples of `off_hours`: what it fires on, and near misses."""

import pytest

from tests.support.events import burst, workday
from tests.support.examples import TODAY, Example, findings, honest

FIRES: dict[str, Example] = {
    "three at night": lambda: honest(burst(workday(TODAY, 3), 40)),
}
QUIET: dict[str, Example] = {
    "in working hours": lambda: honest(burst(workday(TODAY, 11), 40)),
    "one straggler": lambda: honest(burst(workday(TODAY, 18.2), 1)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("off_hours", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("off_hours", example)
