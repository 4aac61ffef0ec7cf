"""Examples of `new_source`: what it fires on, and near misses."""

import pytest

from tests.support.events import burst, thief
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "another country": lambda: honest(thief(NOW, 20)),
    "Tor": lambda: honest(thief(NOW, 20, client_ip="185.220.101.4")),
}
QUIET: dict[str, Example] = {
    "a new colleague in the office": lambda: honest(burst(NOW, 20, client_ip="84.112.20.77")),
    "an address that is none": lambda: honest(burst(NOW, 20, client_ip="nonsense")),
    "a private address": lambda: honest(burst(NOW, 3, client_ip=None)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("new_source", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("new_source", example)
