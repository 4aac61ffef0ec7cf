"""A limit of a key's state is seen when it is reached, and not before."""

from collections.abc import Callable
from typing import get_args

import pytest

from detectors.baselines.billing import LINES_MAX, Bill, Billed
from detectors.baselines.facets import VALUES_MAX, FacetTable, Known
from detectors.baselines.history import History
from detectors.baselines.newcomers import NEWCOMERS_MAX, Newcomer
from detectors.baselines.totals import SOURCES_MAX, Totals
from pipeline.engine.calm import REVISIONS_MAX
from pipeline.engine.counting import IDS_MAX, NUMBERED_MAX, SLICES_MAX
from pipeline.engine.limits import Limit, limits_met
from pipeline.engine.state import KeyState, decode_state, encode_state
from tests.support.events import KEY, START, event, messages, office, run, thief, workday

Fill = Callable[[KeyState, int], None]


def newcomers(state: KeyState, count: int) -> None:
    one = Newcomer("AT", "country", "p", "n", "AT", "k", 3.0, START, START, Totals())
    state.history.newcomers = {str(number): one for number in range(count)}


def values(state: KeyState, count: int) -> None:
    state.history.models.values = {str(number): Known(1.0, 1) for number in range(count)}


def lines(state: KeyState, count: int) -> None:
    billed = {str(number): Billed(1, 1, 1) for number in range(count)}
    state.history.books.bills = {0: Bill(0, 3600, billed)}


def revisions(state: KeyState, count: int) -> None:
    assert state.incident is not None
    state.incident.revision = count


FILLS: dict[str, tuple[int, Fill]] = {
    "bill_lines": (LINES_MAX, lines),
    "facet_values": (VALUES_MAX, values),
    "newcomers": (NEWCOMERS_MAX, newcomers),
    "revisions": (REVISIONS_MAX, revisions),
}
FLOODS: dict[str, tuple[int, Callable[[int], dict[str, object]]]] = {
    "event_ids": (IDS_MAX, lambda n: {"event_id": str(n)}),
    "slices": (SLICES_MAX, lambda n: {"event_id": str(n), "model": f"model-{n}"}),
    "sources": (SOURCES_MAX, lambda n: {"event_id": str(n), "client_ip": f"203.0.113.{n}"}),
}


def test_every_limit_is_tried() -> None:
    assert sorted(FILLS.keys() | FLOODS.keys()) == sorted(get_args(Limit))


@pytest.fixture(scope="module")
def open_state() -> KeyState:
    """The state of a key with an open incident."""
    log = messages([*office(12), *thief(workday(14, 10))])
    state = run(log).fold.state_of(KEY)
    assert state is not None
    return state


@pytest.mark.parametrize("name", FILLS)
def test_a_state_at_its_limit(name: str, open_state: KeyState) -> None:
    most, fill = FILLS[name]
    state = decode_state(encode_state(open_state))
    fill(state, most - 1)
    assert name not in limits_met(state)
    fill(state, most)
    assert name in limits_met(state)


FACETS = [
    name for name in History.__struct_fields__ if isinstance(getattr(History(), name), FacetTable)
]


@pytest.mark.parametrize("facet", FACETS)
def test_every_facet_is_watched(facet: str) -> None:
    state = KeyState()
    getattr(state.history, facet).values = {str(n): Known(1.0, 1) for n in range(VALUES_MAX)}
    assert limits_met(state) == ["facet_values"]


def test_slices_of_all_windows_together_are_watched() -> None:
    state = KeyState()
    state.windows.tokens = {str(number): number for number in range(NUMBERED_MAX - 1)}
    assert limits_met(state) == []
    state.windows.tokens["another"] = NUMBERED_MAX - 1
    assert limits_met(state) == ["slices"]


@pytest.mark.parametrize("name", FLOODS)
def test_traffic_that_reaches_a_limit(name: str) -> None:
    most, of = FLOODS[name]
    for count in (most - 1, most):
        flood = [event(START, **of(number)) for number in range(count)]
        later = [event(START + 300.0, event_id="later")]
        fold = run(messages([*flood, *later], 2_000)).fold
        assert fold.limits.get(name, 0) == (1 if count == most else 0)
