"""Thresholds by cohort: who has its own, who has the fleet's, and what a record may hold."""

import json

import msgspec
import pytest

from schemas.calibration import COHORTS_MAX, Calibration
from schemas.key_record import KeyRecord

FLEET = Calibration(
    version="1", created_at=0, page_nats=8.0, ticket_nats=4.0, cohorts={"dev": 10.0, "prod": 6.0}
)


def keyed(environment: str | None) -> KeyRecord:
    return KeyRecord(key_id="key-1", environment=environment)


def test_a_key_is_judged_by_the_threshold_of_its_environment() -> None:
    dev = FLEET.of(keyed("dev"))
    assert (dev.page_nats, dev.ticket_nats) == (10.0, 5.0)
    prod = FLEET.of(keyed("prod"))
    assert (prod.page_nats, prod.ticket_nats) == (6.0, 3.0)
    assert prod.version == FLEET.version
    assert FLEET.of(keyed("prod")) is prod  # made once: keys are looked at all the time


@pytest.mark.parametrize("record", [None, keyed(None), keyed("staging"), keyed("")])
def test_a_key_of_no_cohort_is_judged_by_the_fleets(record: KeyRecord | None) -> None:
    assert FLEET.of(record) is FLEET


@pytest.mark.parametrize("name", ["of", "__class__", "page_nats", "=cmd()", "\x1b[2J", "PROD", "ü"])
def test_the_name_of_an_environment_is_but_a_name(name: str) -> None:
    assert FLEET.of(keyed(name)) is FLEET
    own = msgspec.structs.replace(FLEET, cohorts={name: 7.0})
    decoded = msgspec.json.decode(msgspec.json.encode(own), type=Calibration)
    assert decoded == own
    assert decoded.of(keyed(name)).page_nats == 7.0
    assert decoded.of(keyed("dev")) is decoded


def test_a_calibration_of_an_earlier_release_has_no_cohorts() -> None:
    raw = b'{"version":"1","created_at":0,"page_nats":7.0,"ticket_nats":4.0}'
    old = msgspec.json.decode(raw, type=Calibration)
    assert old.cohorts == {}
    assert old.of(keyed("dev")) is old


@pytest.mark.parametrize(
    "cohorts",
    [
        {"dev": 0},
        {"dev": -1.0},
        {"dev": "8"},
        {"": 8.0},
        {"x" * 129: 8.0},
        {str(number): 8.0 for number in range(COHORTS_MAX + 1)},
    ],
)
def test_cohorts_that_are_none_are_refused(cohorts: dict[str, object]) -> None:
    raw = json.dumps(msgspec.to_builtins(FLEET) | {"cohorts": cohorts})
    with pytest.raises(msgspec.ValidationError, match="cohorts"):
        msgspec.json.decode(raw, type=Calibration)
