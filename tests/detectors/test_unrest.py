"""What a key's own days show is remembered, and weighs against evidence of the days after them."""

import pytest

from detectors.baselines.history import History
from detectors.baselines.unrest import Unrest
from detectors.baselines.windows import Windows
from detectors.contract import Finding, KeyView, Subject
from detectors.discovery import all_detectors
from detectors.fusion import weighed
from tests.support.events import DAY, HOUR, KEY, START

DETECTORS = {each.name: each for each in all_detectors()}


def weight(spread: float = 0.7, earlier: float = 0.0, about: Subject = "habits") -> float:
    """Of evidence against a key whose hours differ by so much, and whose days showed so much."""
    history = History(first_seen=START)
    history.volume.spread.n, history.volume.spread.variance = 300.0, spread**2
    unrest = history.visits if about == "strangers" else history.unrest
    unrest.note(int(START // HOUR), earlier)
    return KeyView(KEY, START + 2 * DAY, history, Windows()).weight(about)


def test_today_counts_from_tomorrow_on_but_not_at_midnight() -> None:
    unrest = Unrest()
    unrest.note(100 * 24 + 23, 5.0)
    assert unrest.before(100 * 24 + 23) == 0.0
    unrest.note(101 * 24, 4.0)
    assert unrest.before(101 * 24) == unrest.before(101 * 24 + 5) == 0.0
    assert unrest.before(101 * 24 + 6) == 5.0
    assert unrest.before(102 * 24 + 6) == pytest.approx(5.0, rel=0.05)


def test_the_strongest_of_the_days_before_is_kept_and_slowly_forgotten() -> None:
    unrest = Unrest()
    for day, nats in ((100, 5.0), (101, 2.0), (102, 1.0), (104, 1.0)):
        unrest.note(24 * day + 12, nats)
    assert unrest.before(24 * 104 + 12) == pytest.approx(5.0, rel=0.15)
    assert unrest.before(24 * 134 + 12) == pytest.approx(2.5, rel=0.15)


def test_an_event_of_the_day_before_changes_no_other_day() -> None:
    unrest = Unrest()
    unrest.note(24 * 100, 1.0)
    unrest.note(24 * 99, 3.0)
    assert (unrest.day, unrest.today) == (100, 3.0)


def test_nobody_trains_a_key_to_be_deaf() -> None:
    assert weight(earlier=1e9) == weight(earlier=10.0) > 0.5


def test_evidence_weighs_less_against_a_key_that_comes_and_goes() -> None:
    assert weight(spread=0.7) == pytest.approx(1.0, abs=0.01)
    assert weight(spread=1.2) < 0.9
    assert weight(spread=9.0) == weight(spread=1.6) > 0.7


def test_that_the_owner_comes_and_goes_says_nothing_of_strangers() -> None:
    assert weight(spread=1.2, about="strangers") == weight(spread=0.4, about="strangers") == 1.0
    assert weight(earlier=4.0, about="strangers") < 0.85


def test_a_loop_is_as_regular_on_a_key_that_comes_and_goes() -> None:
    assert DETECTORS["runaway_loop"].about == "machines"
    assert weight(spread=1.2, about="machines") == 1.0
    assert weight(earlier=4.0, about="machines") < 0.85


def test_a_fact_weighs_the_same_against_every_key() -> None:
    history = History(first_seen=START)
    for unrest in (history.unrest, history.visits):
        unrest.note(int(START // HOUR), 8.0)
    view = KeyView(KEY, START + 2 * DAY, history, Windows())
    finding = Finding(4.0, "A sentence.", START)
    assert weighed(DETECTORS["canary"], finding, view).score == 4.0
    assert weighed(DETECTORS["off_hours"], finding, view).score == 4.0 * view.weight("habits") < 3.0
