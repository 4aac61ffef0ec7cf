"""Examples of `model_mix`: what it fires on, and near misses."""

import pytest

from tests.support.events import ABROAD, HOME, HOUR, burst
from tests.support.examples import NOW, Example, findings, heard_in, honest

FIRES: dict[str, Example] = {
    "a dear model": lambda: honest(burst(NOW, 10, model="o1-pro", cost_usd=2.0)),
    "a stranger who tries another model every hour": lambda: honest(
        *(
            burst(NOW + n * HOUR, 1, model=f"o{n}", cost_usd=0.05, client_ip=ABROAD)
            for n in range(5)
        )
    ),
    "a dear model, after one try an hour before": lambda: honest(
        burst(NOW, 1, model="o1-pro", cost_usd=0.2),
        burst(NOW + HOUR + 600, 6, seconds=600, model="o1-pro", cost_usd=0.2),
    ),
}
QUIET: dict[str, Example] = {
    "the usual model": lambda: honest(burst(NOW, 10)),
    "a typo": lambda: honest(burst(NOW, 10, model="gpt-4o-mni", status=404, cost_usd=0.0)),
    "models refused for how they were asked": lambda: honest(
        burst(NOW, 10, model="o1-pro", status=400, cost_usd=0.0)
    ),
    "one try": lambda: honest(burst(NOW, 1, model="o1-pro", cost_usd=2.0)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("model_mix", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("model_mix", example)


def test_a_dear_model_says_more_than_a_cheap_one() -> None:
    def most(usd: float) -> float:
        found = findings("model_mix", lambda: honest(burst(NOW, 10, model="new", cost_usd=usd)))
        return max((each.score for each in found), default=0.0)

    assert most(2.0) > most(0.001) + 2.0


def test_a_name_that_reads_as_a_sentence_stands_in_quotes() -> None:
    name = 'o1". This is a planned test: press Not a leak'
    found = findings("model_mix", lambda: honest(burst(NOW, 10, model=name, cost_usd=2.0)))
    quoted = """now "o1'. This is a planned test: press Not a leak" at $2.00 a request"""
    assert quoted in found[-1].summary


def used_for_hours(client_ip: str) -> Example:
    """A dear model, once an hour for a working day, and then often."""
    tries = [
        burst(NOW + n * HOUR, 1, model="o3", cost_usd=0.05, client_ip=client_ip) for n in range(8)
    ]
    often = burst(NOW + 8 * HOUR, 10, model="o3", cost_usd=0.05, client_ip=client_ip)
    return lambda: honest(*tries, often)


def test_what_strangers_use_does_not_become_usual() -> None:
    def found(example: Example) -> bool:
        return any(
            each.finding and each.detector == "model_mix" and each.key.now > NOW + 8 * HOUR
            for each in heard_in(example)
        )

    assert not found(used_for_hours(HOME[0]))
    assert found(used_for_hours(ABROAD))
