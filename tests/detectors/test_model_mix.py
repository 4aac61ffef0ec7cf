"""Examples of `model_mix`: what it fires on, and near misses."""

import pytest

from tests.support.events import ABROAD, HOUR, burst
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "a dear model": lambda: honest(burst(NOW, 10, model="o1-pro", cost_usd=2.0)),
    "a dear model, after one try an hour before": lambda: honest(
        burst(NOW, 1, model="o1-pro", cost_usd=0.2),
        burst(NOW + HOUR + 600, 6, seconds=600, model="o1-pro", cost_usd=0.2),
    ),
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


def upgraded(**changes: object) -> float:
    """The most that is found when the key's own model makes room for a dear one."""
    dear = burst(NOW + 600, 40, seconds=1200, model="o1-pro", cost_usd=2.0, **changes)
    log = honest(dear)
    return max(each.score for each in findings("model_mix", lambda: log))


def test_what_strangers_use_is_nobodys_upgrade() -> None:
    assert upgraded(client_ip=ABROAD) > 1.3 * upgraded()
