"""Examples of `spend_spike`: what it fires on, and near misses."""

import pytest

from tests.support.events import burst, messages, workday
from tests.support.examples import NOW, Example, findings, honest

FIRES: dict[str, Example] = {
    "two hundred dollars in ten minutes": lambda: honest(burst(NOW, 400, cost_usd=0.5)),
    "a thousand cheap requests": lambda: honest(burst(NOW, 1_000, cost_usd=0.0001)),
}
QUIET: dict[str, Example] = {
    "a busy quarter of an hour": lambda: honest(burst(NOW, 20, seconds=900)),
    "one dear request": lambda: honest(burst(NOW, 1, cost_usd=0.1)),
}


def test_a_record_is_beaten_by_as_much_as_hours_differ() -> None:
    def beaten(sizes: tuple[int, ...]) -> float:
        sessions = [
            each
            for day, size in enumerate(sizes)
            for each in burst(workday(day, 10), size, seconds=240, cost_usd=0.01)
        ]
        much = burst(workday(len(sizes), 10), 2_000, seconds=240, cost_usd=0.01)
        found = findings("spend_spike", lambda: messages([*sessions, *much], 20))
        return max(each.score for each in found)

    # Even of sessions that were all alike, twenty are too few to be sure that they always are.
    assert beaten((10, 110) * 10) + 1.0 < beaten((110,) * 20) < 7.5


def test_what_costs_cents_wakes_nobody_however_much_more_it_is() -> None:
    def most(cost_usd: float) -> float:
        much = burst(NOW, 5_000, cost_usd=cost_usd)
        return max(each.score for each in findings("spend_spike", lambda: honest(much)))

    assert most(0.000002) < 6.5
    assert most(0.01) > 7.5


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("spend_spike", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("spend_spike", example)
