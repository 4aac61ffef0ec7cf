"""Examples of `error_storm`: what it fires on, and near misses."""

import pytest

from tests.support.events import ABROAD, HOME, burst
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "bad parameters, over and over": lambda: honest(burst(NOW, 60, status=400, cost_usd=0.0)),
    "refused, over and over": lambda: honest(burst(NOW, 60, status=403, cost_usd=0.0)),
    "a stranger who gets it wrong half the time": lambda: honest(
        burst(NOW, 8, status=400, cost_usd=0.0, client_ip=ABROAD),
        burst(NOW + 1, 8, client_ip=ABROAD),
    ),
}
QUIET: dict[str, Example] = {
    "the provider is down": lambda: honest(burst(NOW, 60, status=503, cost_usd=0.0)),
    "told to slow down": lambda: honest(burst(NOW, 60, status=429, cost_usd=0.0)),
    "a stranger who gets it wrong now and then": lambda: honest(
        burst(NOW, 8, status=400, cost_usd=0.0, client_ip=ABROAD),
        burst(NOW + 1, 32, client_ip=ABROAD),
    ),
    "a stranger who is told to slow down": lambda: honest(
        burst(NOW, 8, status=429, cost_usd=0.0, client_ip=ABROAD)
    ),
    "a few mistakes": lambda: honest(burst(NOW, 10, status=400, cost_usd=0.0)),
    "mistakes among many requests": lambda: honest(
        burst(NOW, 20, status=400, cost_usd=0.0), burst(NOW + 1, 200, cost_usd=0.001)
    ),
}


def test_a_deployment_that_went_wrong_is_no_thief() -> None:
    def most(client_ip: str) -> float:
        wrong = burst(NOW, 60, status=400, cost_usd=0.0, client_ip=client_ip)
        return max(each.score for each in findings("error_storm", lambda: honest(wrong)))

    assert most(HOME[0]) < 0.6 * most(ABROAD)


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("error_storm", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("error_storm", example)
