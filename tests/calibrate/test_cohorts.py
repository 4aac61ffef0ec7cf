"""Thresholds by environment: drawn to the fleet's by how little is known, and bounded."""

from collections.abc import Iterator

import msgspec
import pytest

from detectors.calibration import SHIPPED
from detectors.fusion import severity_of
from pipeline.accept import Batch
from pipeline.calibrate import Calibrated, calibrate
from pipeline.calibrate.cohorts import Cohort, cohorts
from pipeline.calibrate.fit import MOVE_SHARE_MAX, fit
from pipeline.calibrate.render import render
from pipeline.calibrate.tally import Tally, Watched
from pipeline.message import Message
from pipeline.printable import printable
from pipeline.replay.run import Results
from schemas.calibration import COHORTS_MAX, Calibration
from schemas.key_record import KeyRecord
from tests.support.events import (
    ABROAD,
    control,
    in_time,
    messages,
    office,
    renumbered,
    rules,
    single,
    thief,
    workday,
)

WEEK, DAY = 7 * 86_400.0, 86_400.0
START = 20_000 * DAY
BUDGET = 5.0
LOW, HIGH = (SHIPPED.page_nats * (1 + sign * MOVE_SHARE_MAX) for sign in (-1, 1))


def fleet(weeks: float = 1.0, **keys: int) -> Tally:
    """Keys by environment, seen every day, that showed nothing."""
    tally = Tally()
    for environment, count in keys.items():
        for number in range(count):
            key_id = f"{environment}-{number}"
            tally.watched[key_id] = Watched(START, START + weeks * WEEK, days=round(7 * weeks))
            tally.environments[key_id] = environment
    return tally


def noise(tally: Tally, environment: str, nats: float, keys: int | None = None) -> None:
    """The first keys of an environment, or all, show so much at one time."""
    named = [key_id for key_id, each in tally.environments.items() if each == environment]
    for key_id in named[:keys]:
        tally.peaks[key_id][int(START // 3600)] = nats


@pytest.mark.parametrize(
    ("key_weeks", "threshold"), [(0.0, 7.0), (200.0, 8.0), (600.0, 8.5), (1e9, 9.0)]
)
def test_a_threshold_goes_from_the_fleets_to_the_own_with_the_history(
    key_weeks: float, threshold: float
) -> None:
    shrunk = Cohort("dev", [], key_weeks).shrunk(9.0, 7.0, BUDGET)
    assert shrunk == pytest.approx(threshold, abs=1e-5)


def test_a_tight_budget_asks_for_more_history() -> None:
    cohort = Cohort("dev", [], 200.0)
    assert cohort.shrunk(9.0, 7.0, BUDGET / 3) == pytest.approx(7.5)


def test_a_noisy_and_a_quiet_environment_part() -> None:
    tally = fleet(dev=1000, prod=1000)
    noise(tally, "dev", 7.5)
    found = fit(tally, tally.watched, BUDGET, SHIPPED)
    assert LOW < found.cohorts["prod"] < found.page_nats < found.cohorts["dev"] < HIGH
    assert found.holds


def test_with_much_history_a_cohort_has_its_own_threshold() -> None:
    tally = fleet(500.0, dev=1000, prod=1000)
    noise(tally, "dev", 50.0)
    for each in ("dev", "prod"):
        alone = fit(
            tally, [k for k, named in tally.environments.items() if named == each], BUDGET, SHIPPED
        )
        found = fit(tally, tally.watched, BUDGET, SHIPPED)
        assert found.cohorts[each] == pytest.approx(alone.page_nats, abs=0.01)


def test_a_cohort_of_a_few_keys_stays_near_the_fleet() -> None:
    tally = fleet(dev=2, prod=1000)
    noise(tally, "dev", 50.0)
    found = fit(tally, tally.watched, BUDGET, SHIPPED)
    assert found.cohorts["dev"] == pytest.approx(found.page_nats, abs=0.05)


def test_noise_in_one_environment_is_bounded_and_is_not_the_others() -> None:
    loud, still = fleet(dev=200, prod=1000), fleet(dev=200, prod=1000)
    noise(loud, "dev", 500.0)
    noisy, quiet = (fit(each, each.watched, BUDGET, SHIPPED) for each in (loud, still))
    assert quiet.cohorts["dev"] < noisy.cohorts["dev"] <= HIGH
    assert noisy.cohorts["prod"] - quiet.cohorts["prod"] < noisy.page_nats - quiet.page_nats
    assert noisy.page_nats == pytest.approx(HIGH)
    assert not noisy.holds


def test_all_cohorts_together_keep_the_budget() -> None:
    tally = fleet(dev=1000, prod=1000)
    noise(tally, "dev", 6.0, keys=500)
    noise(tally, "dev", 7.0, keys=10)
    noise(tally, "prod", 6.0, keys=5)
    found = fit(tally, tally.watched, BUDGET, SHIPPED)
    # One threshold for all could stand just above 6.0: 10 pages in 2,000 key-weeks. It would draw
    # that of dev below 7.0, which are as many, and prod's own 5 would come on top.
    paged = {
        each: tally.pages_at(found.cohorts[each], [k for k in tally.watched if k.startswith(each)])
        for each in ("dev", "prod")
    }
    assert paged == {"dev": 0, "prod": 5}
    assert found.holds


def test_what_is_no_environment_has_no_cohort() -> None:
    tally = fleet(dev=3)
    for number, named in enumerate([None, "", "x" * 129]):
        tally.environments[f"dev-{number}"] = named
    assert cohorts(tally, tally.watched) == []
    assert fit(tally, tally.watched, BUDGET, SHIPPED).cohorts == {}


def test_only_the_largest_cohorts_have_thresholds() -> None:
    tally = fleet(**{f"e{number:02}": 1 + (number > 0) for number in range(COHORTS_MAX + 1)})
    names = [each.environment for each in cohorts(tally, tally.watched)]
    assert names == [f"e{number:02}" for number in range(1, COHORTS_MAX + 1)]


def test_the_latest_entry_of_the_registry_says_where_a_key_belongs() -> None:
    tally = Tally()
    for environment in ("dev", "prod"):
        batch = Batch(single(b""))
        batch.controls.append(KeyRecord(key_id="key-1", environment=environment))
        tally.take([batch], Results([], []))
    assert tally.environments == {"key-1": "prod"}


NOISY, STEADY = "dev\x1b[2J", "prod"
KEYS = {f"key-{number}": (NOISY, STEADY)[number % 2] for number in range(24)}


def history() -> Iterator[Message]:
    """Keys of people who work from abroad now and then, and of services that never do."""
    entries = [
        control("key", KeyRecord(key_id=key_id, environment=named))
        for key_id, named in KEYS.items()
    ]
    steady = [office(6, key_id=key_id, seed=number) for number, key_id in enumerate(KEYS)]
    trips = [
        thief(workday(4, 11), 60, key_id=key_id, client_ip=ABROAD)
        for key_id, named in KEYS.items()
        if named == NOISY
    ]
    yield from renumbered([*entries, *messages(in_time(*steady, *trips))])


@pytest.fixture(scope="module")
def found() -> Calibrated:
    return calibrate(history, rules(), 400.0)


def test_the_same_evidence_is_a_page_where_it_is_rare_and_a_ticket_where_it_is_not(
    found: Calibrated,
) -> None:
    noisy, steady = (
        found.calibration.of(KeyRecord(key_id="k", environment=named)) for named in (NOISY, STEADY)
    )
    assert steady.page_nats < noisy.page_nats
    nats = (steady.page_nats + noisy.page_nats) / 2
    assert severity_of(nats, steady) == "page"
    assert severity_of(nats, noisy) == "ticket"


def test_the_same_history_gives_the_same_thresholds(found: Calibrated) -> None:
    again = calibrate(history, rules(), 400.0)
    assert msgspec.json.encode(again.calibration) == msgspec.json.encode(found.calibration)
    raw = msgspec.json.encode(found.calibration)
    assert msgspec.json.decode(raw, type=Calibration).cohorts == found.calibration.cohorts
    assert list(found.calibration.cohorts) == sorted({NOISY, STEADY})


def test_the_report_has_a_line_for_each_cohort_and_nothing_that_a_terminal_obeys(
    found: Calibrated,
) -> None:
    text = "\n".join(render(found, SHIPPED))
    assert "\x1b" not in text
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line}
    for cohort in found.cohorts:
        name = cohort.fitted.environment
        line = lines[printable(name)]
        assert line[1] == str(len(cohort.fitted.keys))
        assert line[3] == f"{found.calibration.cohorts[name]:g}"
        assert line[4:7] == [str(cohort.before.pages), "pages", str(cohort.after.pages)]
    before = {each.fitted.environment: each.before.pages for each in found.cohorts}
    assert before == {NOISY: found.before.pages, STEADY: 0}
    assert found.before.pages > 0
