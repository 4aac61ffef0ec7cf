"""Whether somebody does the owner's work: what lengths and manners say of a stranger."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.baselines.likeness import manners, of_lengths
from detectors.baselines.shape import Manners, Shape, manner_of


def shape(samples: int, prompt: int = 900, manner: int = 0) -> Shape:
    """Of requests that are all alike."""
    made = Shape()
    for _ in range(samples):
        made.note(prompt, 120, manner)
    return made


def nats(own: int, other: int, own_told: int = 200, other_told: int = 10) -> float:
    """What it says that so many are streamed."""
    known = Manners(told_streamed=own_told, streamed=own)
    return manners(known, Manners(told_streamed=other_told, streamed=other))[0].nats


def test_lengths_speak_for_a_stranger_or_against() -> None:
    own = shape(100)
    assert of_lengths(own, shape(10, 9000)) > 2.0
    assert of_lengths(own, shape(10)) < -2.0


def test_little_known_says_nothing() -> None:
    assert of_lengths(shape(59), shape(10, 9000)) == 0.0
    assert of_lengths(shape(100), Shape()) == 0.0
    assert nats(0, 10, own_told=59) == 0.0
    assert nats(0, 0, other_told=0) == 0.0


@given(own=st.integers(0, 300), other=st.integers(0, 50))
def test_no_manner_says_more_than_that_some_honest_people_differ(own: int, other: int) -> None:
    assert -0.5 < nats(own, other, 300, 50) < 2.1


def test_the_more_a_stranger_differs_the_more_it_says() -> None:
    said = [nats(0, other) for other in range(11)]
    assert said == sorted(said)
    assert said[0] < -0.2
    assert said[-1] > 1.5


def test_what_is_cached_says_less() -> None:
    known, other = Manners(told=200), Manners(told=10, cached=10, named=10)
    _, cached, named = manners(known, other)
    assert 1.0 < cached.nats < named.nats


def test_it_tells_how_many_of_how_many_against_what_is_usual() -> None:
    (streamed, *_) = manners(
        Manners(told_streamed=200, streamed=50), Manners(told_streamed=9, streamed=8)
    )
    assert (streamed.requests, streamed.told, streamed.usual) == (8, 9, 0.25)


@pytest.mark.parametrize("streamed", [None, False, True])
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_a_manner_is_counted_as_it_was_made(
    *, streamed: bool | None, cached: bool, named: bool
) -> None:
    counted = Manners()
    counted.note(manner_of(streamed=streamed, cached=cached, named=named))
    told = int(streamed is not None)
    assert counted == Manners(1, int(cached), int(named), told, int(bool(streamed)))


def test_samples_of_earlier_releases_tell_no_manner() -> None:
    counted = Manners()
    counted.note(0)
    assert counted == Manners()


def test_old_manners_fade() -> None:
    own = Manners(told=2000, named=2000)
    for _ in range(200):
        own.learn(Manners(told=50))
    assert 1000 <= own.told <= 2000
    assert own.named < 50


def test_old_manners_fade_from_a_key_with_one_sample_an_hour() -> None:
    own = Manners(told=2000, named=2000, streamed=1000, told_streamed=2000)
    for _ in range(20_000):
        own.learn(Manners(told=1, told_streamed=1, streamed=1))
    assert own.named < 10
    assert own.streamed > 0.99 * own.told_streamed
