"""Scores of a series: online, in range, loud at what is strange and quiet at what is not."""

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.series import score_series

START = 1_767_571_200.0  # Monday 2026-01-05, 00:00 UTC
STEP = 900
DAY = 86_400 // STEP
LOUD = 0.9


def times(count: int, step: float = STEP) -> list[float]:
    return [START + step * place for place in range(count)]


def loud(values: Sequence[float], step: float = STEP) -> list[int]:
    scores = score_series(times(len(values), step), values)
    return [place for place, score in enumerate(scores) if score >= LOUD]


def daily(days: int, noise: float = 1.0, weekend: float = 1.0, seed: int = 1) -> list[float]:
    """Busy by day, quiet by night."""
    rng = random.Random(seed)  # noqa: S311 # noise, no secret
    return [
        (weekend if place // DAY % 7 >= 5 else 1.0)
        * (50 - 40 * math.cos(2 * math.pi * place / DAY))
        + rng.gauss(0, noise)
        for place in range(days * DAY)
    ]


def noisy(count: int, seed: int = 2) -> list[float]:
    rng = random.Random(seed)  # noqa: S311 # noise, no secret
    return [100 + rng.gauss(0, 3) for _ in range(count)]


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=120),
    share=st.floats(0.01, 1.0),
    step=st.sampled_from([1.0, 60.0, 3600.0, 90_000.0]),
)
def test_a_score_knows_only_what_came_before(
    values: list[float], share: float, step: float
) -> None:
    at = times(len(values), step)
    whole = score_series(at, values)
    cut = max(1, int(share * len(values)))
    assert score_series(at[:cut], values[:cut]) == whole[:cut]
    assert all(0 <= score < 1 for score in whole)


def test_the_same_series_scores_the_same_and_stays_untouched() -> None:
    values = daily(12)
    before = list(values)
    assert score_series(times(len(values)), values) == score_series(times(len(values)), values)
    assert values == before


@pytest.mark.parametrize("value", [0.0, -3.5, 0.1, 1e15, 1e-15])
def test_a_constant_series_is_never_strange(value: float) -> None:
    assert set(score_series(times(2000), [value] * 2000)) == {0.0}


def test_a_short_history_says_nothing() -> None:
    assert score_series([START], [5.0]) == [0.0]
    assert max(score_series(times(20), [*[1.0] * 19, 1e6])) == 0.0


@pytest.mark.parametrize("spike", [60.0, -60.0])
def test_a_spike_is_seen_at_once_in_both_directions(spike: float) -> None:
    values = noisy(1500)
    values[1000] += spike
    assert 1000 in loud(values)


def test_a_spike_after_a_constant_is_seen() -> None:
    values = [7.0] * 500
    values[400] = 7.5
    assert loud(values) == [400]


@pytest.mark.parametrize("shift", [30.0, -30.0])
def test_a_level_shift_is_one_episode(shift: float) -> None:
    values = noisy(1000) + [value + shift for value in noisy(500, seed=3)]
    found = loud(values)
    assert any(1000 <= place < 1004 for place in found)
    assert sum(place >= 1000 for place in found) <= 3


def test_a_missed_daily_peak_is_seen_though_the_value_is_usual_at_night() -> None:
    values = daily(15)
    midday = slice(13 * DAY + DAY // 4, 13 * DAY + 3 * DAY // 4)
    values[midday] = [15.0] * (DAY // 2)
    assert any(midday.start <= place < midday.stop for place in loud(values))


def test_work_at_night_is_seen_though_the_value_is_usual_by_day() -> None:
    values = daily(15)
    values[13 * DAY + 2] = 85.0
    assert 13 * DAY + 2 in loud(values)


def test_a_value_that_is_stuck_through_the_day_is_seen() -> None:
    values = daily(15)
    values[13 * DAY :] = [values[13 * DAY]] * (2 * DAY)
    assert any(place > 13 * DAY for place in loud(values))


def test_weekends_become_usual() -> None:
    found = [place // DAY for place in loud(daily(42, weekend=0.2))]
    assert 5 in found
    assert [day for day in found if day >= 28 and day % 7 >= 5] == []


def test_noise_stays_below_the_number_of_alarms_that_its_length_allows() -> None:
    # Odds of 9 are a rank of sqrt(n) / 9: summed over 1 / n, 2 * sqrt(4000) / 9 = 14.
    counts = [len(loud(noisy(4000, seed=seed))) for seed in range(5)]
    assert max(counts) <= 14


def test_neither_scale_nor_sign_matters() -> None:
    values = daily(12)
    values[1000] += 100
    assert loud([1e-6 * value for value in values]) == loud(values)
    assert loud([-value for value in values]) == loud(values)


def test_hourly_and_daily_series_are_fine() -> None:
    values = noisy(400)
    values[300] = 200.0
    assert 300 in loud(values, step=3600)
    assert 300 in loud(values, step=86_400)


@pytest.mark.parametrize(
    ("at", "values", "said"),
    [
        ([], [], "at least one value"),
        ([START], [1.0, 2.0], "1 timestamps for 2 values"),
        (times(3), [1.0, math.nan, 2.0], "value 1 is nan"),
        (times(2), [1.0, -math.inf], "value 1 is -inf"),
        ([START, math.nan], [1.0, 2.0], "timestamp 1 is nan"),
        ([START, -1.0], [1.0, 2.0], "timestamp 1 is -1.0, not Unix seconds"),
        ([START * 1000], [1.0], "not Unix seconds"),
    ],
)
def test_bad_input_is_named(at: list[float], values: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        score_series(at, values)
