"""What a key's environment changes: from how much evidence on it pages."""

from dataclasses import replace
from functools import cache

import msgspec

from detectors.calibration import SHIPPED
from pipeline.engine import PartitionFold
from pipeline.engine.bookkeeping import CALIBRATION_KEY
from pipeline.explain import explain
from pipeline.message import Message
from schemas.calibration import Calibration
from schemas.key_record import KeyRecord
from schemas.verdict import Verdict
from tests.support.events import (
    ABROAD,
    KEY,
    Outcome,
    control,
    in_time,
    messages,
    office,
    renumbered,
    rules,
    run,
    thief,
    workday,
)


@cache
def traffic() -> list[Message]:
    return messages(in_time(office(6), thief(workday(4, 11), 60, client_ip=ABROAD, cost_usd=0.0)))


@cache
def calibration() -> Calibration:
    """For a page the theft is too little, but for those that are steady."""
    heard: list[float] = []
    run(
        traffic(),
        PartitionFold(replace(rules(), witness=lambda look: heard.append(look.conclusion.nats))),
    )
    fleet = 1.8 * max(heard)  # what is remembered of a ticket adds to it
    return msgspec.structs.replace(
        SHIPPED,
        version="2",
        page_nats=fleet,
        ticket_nats=fleet / 2.4,
        cohorts={"prod": fleet / 2.4},
    )


def judged(environment: str | None, *, first: bool = True) -> Outcome:
    """The same theft of a key of an environment."""
    entry = control("key", KeyRecord(key_id=KEY, environment=environment))
    published = control("calibration", calibration())
    controls = [entry, published] if first else [published, entry]
    return run(renumbered([*controls, *traffic()]))


def test_the_same_evidence_pages_in_one_environment_and_is_a_ticket_in_another() -> None:
    assert judged("prod").pages()
    for environment in ("dev", None, "PROD"):
        outcome = judged(environment)
        assert {each.severity for each in outcome.incidents} <= {"ticket", "info"}
        assert any(each.severity == "ticket" for each in outcome.incidents)
    assert run(renumbered([control("calibration", calibration()), *traffic()])).pages() == []


def test_an_incident_says_what_else_it_may_be() -> None:
    incidents = judged("prod").incidents
    assert incidents
    assert all(each.runner_up not in {None, each.cause} for each in incidents)


def test_the_order_of_the_records_before_the_events_does_not_matter() -> None:
    assert judged("prod").incidents == judged("prod", first=False).incidents


def test_risk_is_a_half_at_the_threshold_of_the_cohort() -> None:
    pages = judged("prod").pages()
    tickets = judged("dev").incidents
    assert max(each.risk for each in pages) > 0.5 > max(each.risk for each in tickets)


def test_a_verdict_leaves_the_risk_as_the_cohort_sees_it() -> None:
    outcome = judged("prod")
    last = outcome.incidents[-1]
    said = Verdict(
        incident_id=last.incident_id, key_id=KEY, verdict="benign", by="slack:U1", at=last.detected
    )
    (forgiven,) = run([control("verdict", said)], outcome.fold).incidents
    assert forgiven.status == "suppressed"
    assert forgiven.risk > 0.5


def test_cohorts_are_still_known_after_a_restart() -> None:
    entry = control("key", KeyRecord(key_id=KEY, environment="prod"))
    log = renumbered([entry, control("calibration", calibration()), *traffic()])
    before = run(log[:2])
    raw = before.states[CALIBRATION_KEY]
    assert raw is not None
    assert msgspec.json.decode(raw, type=Calibration) == calibration()
    fold = PartitionFold(rules())
    for key, value in before.states.items():
        fold.restore(key, value or b"")
    assert run(log[2:], fold).incidents == run(log).incidents != []


def test_an_explanation_names_the_threshold_of_the_cohort() -> None:
    judging = replace(rules(), calibration=calibration())
    for environment, wanted in (("prod", calibration().cohorts["prod"]), ("dev", None)):
        entry = control("key", KeyRecord(key_id=KEY, environment=environment))
        found = explain(renumbered([entry, *traffic()]), judging, KEY)
        assert found.calibration.page_nats == (wanted or calibration().page_nats)
        assert found.paged == (environment == "prod")
