"""What a spread is after any values: what River's `Var` says of them, to the last bit."""

from hypothesis import given
from hypothesis import strategies as st
from river import stats

from detectors.baselines.level import Spread

VALUES = st.floats(-30.0, 30.0)


@given(st.lists(VALUES, max_size=290))
def test_a_spread_is_the_variance_that_river_keeps(values: list[float]) -> None:
    spread = Spread()
    for value in values:
        var = stats.Var._from_state(spread.n, spread.mean, spread.variance)
        var.update(value)
        spread.learn(value)
        assert (spread.n, spread.mean, spread.variance) == (var.n, var.mean.get(), var.get())


@given(VALUES, st.lists(VALUES, min_size=2, max_size=20))
def test_a_full_memory_still_follows(usual: float, values: list[float]) -> None:
    spread = Spread(n=300.0, mean=usual, variance=1.0)
    for value in values:
        var = stats.Var._from_state(spread.n, spread.mean, spread.variance)
        var.update(value)
        spread.learn(value)
        assert (spread.n, spread.mean, spread.variance) == (300.0, var.mean.get(), var.get())
