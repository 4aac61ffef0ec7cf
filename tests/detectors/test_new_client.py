"""Examples of `new_client`: what it fires on, and near misses."""

import pytest

from tests.support.events import OPENAI_CLIENT, burst, thief
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "a stranger with curl": lambda: honest(thief(NOW, 30, user_agent="curl/8.5.0")),
}
QUIET: dict[str, Example] = {
    "a new version": lambda: honest(burst(NOW, 30, user_agent="OpenAI/Python 2.0.1")),
    "no user agent": lambda: honest(burst(NOW, 30, user_agent=None)),
    "a stranger with another version": lambda: honest(
        thief(NOW, 30, user_agent="OpenAI/Python 1.61.1")
    ),
    "a stranger who copies": lambda: honest(thief(NOW, 30, user_agent=OPENAI_CLIENT)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("new_client", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("new_client", example)
