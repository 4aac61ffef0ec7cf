"""A calibration of a simulated history: fitted, checked on other keys, and used by a replay."""

import math
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from detectors.calibration import SHIPPED
from pipeline.calibrate import Calibrated, calibrate
from pipeline.config import Config
from pipeline.default_rules import default_rules
from pipeline.engine import PartitionFold
from pipeline.message import Message
from pipeline.replay.merge import Recording, merge
from pipeline.simulate import FleetSettings, simulate_to_files
from tests.support.events import ABROAD, in_time, messages, office, rules, run, thief, workday

HISTORY = FleetSettings(keys=24, days=8, seed=11, attack_rate=0.0, volume=0.1)
BUDGET = 200.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    root = tmp_path_factory.mktemp("history")
    events, keys = root / "events.jsonl", root / "keys.jsonl"
    simulate_to_files(HISTORY, events, keys=keys)
    return Recording(events, keys=keys)


@pytest.fixture(scope="module")
def found(recording: Recording) -> Calibrated:
    return calibrate(lambda: merge(recording, 4e9), default_rules(Config()), BUDGET)


def test_a_calibration_is_called_after_the_end_of_its_history(found: Calibrated) -> None:
    assert found.calibration.version.startswith("2025-10-20-")


def test_no_key_is_both_fitted_and_checked(found: Calibrated) -> None:
    assert sum(found.keys) >= HISTORY.keys
    assert min(found.keys) > 0
    rates = [point.fitted.pages for point in found.curve]
    assert rates == sorted(rates, reverse=True)


def test_keys_that_leaked_are_left_out_and_what_they_did_counts_nowhere() -> None:
    keys = [f"key-{number}" for number in range(24)]
    honest = [office(6, key_id=key_id, seed=number) for number, key_id in enumerate(keys)]
    stolen = [thief(workday(4, 11), 60, key_id=key, client_ip=ABROAD) for key in keys[:8]]

    def history() -> Iterator[Message]:
        yield from messages(in_time(*honest, *stolen))

    with_thefts = calibrate(history, rules(), 2 * BUDGET)
    without = calibrate(history, rules(), 2 * BUDGET, dishonest=keys[:8])
    assert without.left_out == 8
    assert with_thefts.calibration.page_nats > without.calibration.page_nats
    assert max(point.fitted.pages for point in without.curve) == 0


def test_a_witness_changes_nothing() -> None:
    heard: list[float] = []
    log = messages(in_time(office(6), thief(workday(4, 11), 60, client_ip=ABROAD)))
    watched = replace(rules(), witness=lambda look: heard.append(look.conclusion.nats))
    assert run(log, PartitionFold(watched)).incidents == run(log).incidents != []
    assert max(heard) >= SHIPPED.page_nats


def test_p_values_come_from_the_tails_where_there_are_any(found: Calibrated) -> None:
    log = messages(in_time(office(6), thief(workday(4, 11), 60, client_ip=ABROAD)))
    tails = {"new_source": found.calibration.tails["new_source"]}
    judged = replace(rules(), calibration=msgspec.structs.replace(SHIPPED, tails=tails))
    signals = {
        s.detector: s for each in run(log, PartitionFold(judged)).incidents for s in each.signals
    }
    strong = signals.pop("new_source")
    claimed = {name: round(math.exp(-each.score), 6) for name, each in signals.items()}
    assert strong.p_value == tails["new_source"].share(strong.score) != math.exp(-strong.score)
    said = {name: each.p_value for name, each in signals.items()}
    assert said == pytest.approx(claimed, rel=1e-3)


def test_the_shipped_calibration_knows_what_honest_keys_show() -> None:
    log = messages(in_time(office(6), thief(workday(4, 11), 60, client_ip=ABROAD)))
    (first, *_) = run(log).incidents
    # A new detector has a tail once `make calibration` was run with it.
    known = [each for each in first.signals if each.detector in SHIPPED.tails]
    assert len(known) >= 3
    assert all(s.p_value == SHIPPED.tails[s.detector].share(s.score) for s in known)
