"""A short form of `make faults`: a hundred disturbed worlds, and proof that the checks bite."""

from collections.abc import Callable
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from pipeline.notify.storm import Fleet
from pipeline.response.gateway import Sent
from pipeline.workers.journals import StateJournal
from schemas.action import Action
from tests.faults import world as worlds
from tests.faults.broker import SimBroker
from tests.faults.outside import Mishaps, SimGateway, SimSlack, SimStore
from tests.faults.simulation import Report, simulate
from tests.faults.world import SCENARIOS

SEEDS = 96
SEEDS_PER_TEST = 12
SEEDS_TO_BITE = 340


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_nothing_is_lost_and_nothing_comes_twice(first: int) -> None:
    failed = [
        report
        for seed in range(first, first + SEEDS_PER_TEST)
        if (report := simulate(seed)).violations
    ]
    assert not failed, "\n".join(map(str, failed))


def test_a_seed_repeats_its_run() -> None:
    one, two = simulate(101), simulate(101)
    assert one.struck == two.struck
    assert one.struck.total() >= 5


def first_violation(scenario: str) -> Report | None:
    """The first run of a scenario in which something is wrong."""
    number = [each.name for each in SCENARIOS].index(scenario)
    seeds = range(number, SEEDS_TO_BITE, len(SCENARIOS))
    return next((report for seed in seeds if (report := simulate(seed)).violations), None)


def _no_fence(self: SimBroker, name: str, epoch: int) -> None:
    del self, name, epoch


async def _finds_nothing(*_: object, **__: object) -> None:
    return None


def _loses_a_row(self: SimStore, table: str, record: object) -> None:
    if table != "usage_events" or len(self.tables.get(table, {})) != 20:
        put(self, table, record)


async def _renamed(self: SimGateway, action: Action, now: float) -> Sent:
    return await act(self, replace(action, action_id=f"{action.action_id}-{now}"), now)


async def _hears_nothing(*_: object) -> bool:
    return True


def _forgets(*_: object, **__: object) -> None:
    return None


act = SimGateway.act
put = SimStore._put
SABOTAGE: dict[str, tuple[str, Callable[[], object]]] = {
    "no fence": ("zombie", lambda: patch.object(SimBroker, "check", _no_fence)),
    "uncommitted reads": (
        "kill -9",
        lambda: patch("tests.faults.workers.READS_COMMITTED", frozenset()),
    ),
    "records that come again": (
        "reread",
        lambda: patch.object(StateJournal, "is_handled", lambda *_: False),
    ),
    "machines that do not listen": (
        "objections",
        lambda: patch.object(StateJournal, "catch_up", _hears_nothing),
    ),
    "no search in slack": ("slack", lambda: patch.object(SimSlack, "find", _finds_nothing)),
    "a notice that forgets its keys": ("storm", lambda: patch.object(Fleet, "take", _forgets)),
    "another id at each attempt": ("gateway", lambda: patch.object(SimGateway, "act", _renamed)),
    "a store that loses a row": ("nothing", lambda: patch.object(SimStore, "_put", _loses_a_row)),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_the_checks_bite(name: str) -> None:
    scenario, sabotage = SABOTAGE[name]
    with sabotage():  # type: ignore[attr-defined]  # a patch
        assert first_violation(scenario) is not None


def test_every_fault_is_there_to_strike() -> None:
    faults = {name for scenario in SCENARIOS for name in scenario.outside}
    assert len(faults) == 11
    named = worlds.STORE.keys() | worlds.SLACK.keys() | worlds.GATEWAY.keys()
    assert faults - named == {"gateway answers 404"}
    assert not Mishaps(0, print).strikes("store refuses")
