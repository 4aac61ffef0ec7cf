"""Examples of `off_hours`: what it fires on, and near misses."""

import pytest

from schemas.key_record import KeyRecord
from tests.support.events import ABROAD, KEY, burst, workday
from tests.support.examples import TODAY, Example, findings, honest

FIRES: dict[str, Example] = {
    "three at night": lambda: honest(burst(workday(TODAY, 3), 40)),
    "at night, in a zone of its own": lambda: honest(
        burst(workday(TODAY, 3), 40), record=KeyRecord(key_id=KEY, timezone="Asia/Tokyo")
    ),
}
QUIET: dict[str, Example] = {
    "in working hours": lambda: honest(burst(workday(TODAY, 11), 40)),
    "in working hours of a zone of its own": lambda: honest(
        burst(workday(TODAY, 11), 40), record=KeyRecord(key_id=KEY, timezone="Asia/Tokyo")
    ),
    "one straggler": lambda: honest(burst(workday(TODAY, 18.2), 1)),
}


def test_strangers_keep_the_hours_of_where_they_are() -> None:
    night = workday(TODAY, 2)
    own = findings("off_hours", lambda: honest(burst(night, 120, cost_usd=0.01)))
    away = findings("off_hours", lambda: honest(burst(night, 120, cost_usd=0.01, client_ip=ABROAD)))
    assert max(each.score for each in away) < 0.6 * max(each.score for each in own)


def test_what_costs_cents_counts_for_less() -> None:
    night = workday(TODAY, 2)
    dear = findings("off_hours", lambda: honest(burst(night, 120, cost_usd=0.01)))
    cheap = findings("off_hours", lambda: honest(burst(night, 120, cost_usd=0.00001)))
    assert max(each.score for each in cheap) < 0.7 * max(each.score for each in dear)


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("off_hours", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("off_hours", example)
