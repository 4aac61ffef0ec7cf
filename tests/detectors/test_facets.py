"""What a key uses is known by hours of use, surprises by the key's own rate of novelty."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.baselines.facets import FORGET_HOURS, USUAL_HOURS, VALUES_MAX, FacetTable

PRIOR = 0.3


def taught(*hours: set[str]) -> FacetTable:
    table = FacetTable()
    for hour, seen in enumerate(hours):
        table.learn(seen, hour)
    return table


def test_nothing_is_surprising_to_a_key_that_knows_nothing() -> None:
    assert FacetTable().surprise("x", PRIOR) == 0.0


def test_what_is_known_is_no_surprise() -> None:
    assert taught({"a"}, {"a", "b"}).surprise("b", PRIOR) == 0.0


def test_a_key_that_never_changes_is_surprised_more_than_one_that_always_does() -> None:
    steady = taught(*({"a"} for _ in range(100)))
    restless = taught(*({f"v{n}"} for n in range(100)))
    assert steady.surprise("x", PRIOR) > 4.0
    assert restless.surprise("x", PRIOR) < 1.0


def test_surprise_grows_with_experience() -> None:
    levels = [taught(*({"a"} for _ in range(n))).surprise("x", PRIOR) for n in (1, 10, 100, 1000)]
    assert levels == sorted(levels)


def test_an_admitted_value_is_known_at_once() -> None:
    table = taught({"a"})
    table.admit("b", 1)
    assert table.knows("b")


def test_what_was_not_seen_for_half_a_year_goes_first() -> None:
    table = taught({"old"})
    for number in range(VALUES_MAX):
        table.learn({f"v{number}"}, FORGET_HOURS + 2)
    assert not table.knows("old")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.text(max_size=3), max_size=6), max_size=80))
def test_a_table_stays_small_and_its_surprises_finite(hours: list[set[str]]) -> None:
    table = taught(*hours)
    assert len(table.values) <= VALUES_MAX
    surprise = table.surprise("never seen", PRIOR)
    assert surprise >= 0
    assert math.isfinite(surprise)


def test_what_was_not_seen_for_half_a_year_is_new_again() -> None:
    table = taught({"a"}, {"a", "b"})
    table.learn({"a"}, FORGET_HOURS + 2)
    table.forget(FORGET_HOURS + 1)
    assert table.knows("b"), "half a year to the hour"
    table.forget(FORGET_HOURS + 2)
    assert (table.knows("a"), table.knows("b")) == (True, False)


def test_what_is_usual_stays_so_when_experience_is_halved() -> None:
    table = taught(*({"a", "b"} for _ in range(4)), *({"a"} for _ in range(1500)))
    assert table.hours < 1000
    assert table.values["b"].hours == USUAL_HOURS
