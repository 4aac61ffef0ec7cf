"""Examples of `token_stuffing`: what it fires on, and near misses."""

import pytest

from tests.support.events import burst, workday
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


def test_prompts_without_a_price_are_not_taken_for_free() -> None:
    def most(model: str, cost_usd: float | None) -> float:
        log = honest(burst(NOW, 20, input_tokens=180_000, model=model, cost_usd=cost_usd))
        return max(each.score for each in findings("token_stuffing", lambda: log))

    assert most("ft:our-own", None) == most("gpt-4o", 0.45)


def test_long_prompts_add_up_over_the_hour() -> None:
    log = honest(
        *(burst(workday(day, 10), 1, input_tokens=20_000, cost_usd=0.05) for day in (2, 3, 4)),
        burst(NOW + 300, 5, seconds=3000, input_tokens=25_000, cost_usd=0.1),
    )
    found = findings("token_stuffing", lambda: log)
    assert max(each.score for each in found) > 5.0
    assert "in this hour" in found[-1].summary
