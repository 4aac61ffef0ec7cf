"""How long requests are: what is learnt of it, and what is not."""

import math

import pytest

from detectors.baselines.shape import Shape
from tests.support.events import ABROAD, KEY, burst, event, in_time, messages, office, run
from tests.support.examples import HONEST_DAYS, NOW


def shape(prompt: int, answer: int, samples: int = 1) -> Shape:
    """Of requests that are all alike."""
    made = Shape()
    for _ in range(samples):
        made.note(prompt, answer)
    return made


def test_a_shape_is_the_mean_and_the_spread_of_logarithms() -> None:
    own = Shape()
    for tokens in (100, 100 * 100):
        own.note(tokens, 50)
    assert own.usual[0] == pytest.approx(1000, rel=0.01)
    assert own.usual[1] == pytest.approx(50)
    prompt, answer = own.offsets(shape(100 * 100, 50))
    assert prompt == pytest.approx(1.0, abs=0.01)
    assert answer == pytest.approx(0.0)


def test_what_is_always_the_same_is_not_taken_for_exact() -> None:
    prompt, _ = shape(1000, 50, 500).offsets(shape(1350, 50))
    assert prompt == pytest.approx(math.log(1.35) / 0.3, abs=0.01)


def test_an_old_shape_fades() -> None:
    own = shape(100, 50, 2000)
    for _ in range(200):
        own.learn(shape(4000, 50, 50))
    assert own.samples == pytest.approx(2000)
    assert own.usual[0] == pytest.approx(4000, rel=0.05)


def test_nothing_is_learnt_of_an_hour_without_samples() -> None:
    own = shape(100, 50, 3)
    own.learn(Shape())
    assert own == shape(100, 50, 3)


def test_what_strangers_send_is_not_the_keys_own() -> None:
    stranger = burst(NOW, 200, client_ip=ABROAD, user_agent="curl/8.9", input_tokens=50_000)
    fold = run(messages(in_time(office(HONEST_DAYS), stranger, burst(NOW, 30)), 60)).fold
    state = fold.state_of(KEY)
    assert state is not None
    assert state.history.shape.usual[0] == pytest.approx(670, rel=0.1)
    assert state.history.shape.samples > 100
    assert state.windows.hours[int(NOW // 3600)].shape.usual[0] == pytest.approx(900)
    (newcomer,) = state.history.newcomers.values()
    assert newcomer.shape.usual[0] == pytest.approx(50_000)


def test_a_busy_key_pays_for_few_samples_of_its_own() -> None:
    own = [event(NOW + 20.0 * number) for number in range(180)]
    stranger = [event(NOW + 20.0 * number, client_ip=ABROAD) for number in range(180)]
    fold = run(messages(in_time(office(HONEST_DAYS), own, stranger), 60)).fold
    state = fold.state_of(KEY)
    assert state is not None
    (newcomer,) = state.history.newcomers.values()
    hour = state.windows.hours[int(NOW // 3600)]
    assert 15 <= hour.shape.samples <= 20
    assert newcomer.shape.samples > 50
