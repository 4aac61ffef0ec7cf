"""How much evidence against a history counts while it is short."""

import pytest

from detectors.baselines.history import History
from detectors.baselines.windows import Windows
from detectors.contract import KeyView
from tests.support.events import DAY, HOUR, KEY, START


def confidence(hours: float, days: float) -> float:
    """Of a key known for so many active hours, over so many days."""
    history = History(first_seen=START, hours=hours)
    if hours:
        history.volume.last = int((START + days * DAY) // HOUR)
    return KeyView(KEY, START + days * DAY, history, Windows()).confidence


def test_many_hours_of_one_day_are_no_long_history() -> None:
    assert confidence(24, 1) == pytest.approx(0.6)
    assert confidence(24, 3) == 1.0


def test_few_hours_of_many_days_are_none_either() -> None:
    assert confidence(2, 30) < confidence(8, 30) < confidence(16, 30) < confidence(24, 30)
    assert confidence(8, 30) == pytest.approx(5 / 6)


def test_a_key_of_no_closed_hour_has_the_least() -> None:
    assert confidence(0, 0) == pytest.approx(0.3)
