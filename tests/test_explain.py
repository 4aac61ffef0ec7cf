"""An explanation says what the engine itself weighed."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from detectors.calibration import SHIPPED
from detectors.contract import Finding, KeyView
from pipeline.engine import PartitionFold
from pipeline.engine.calm import LIVELY_NATS
from pipeline.explain import explain
from pipeline.message import Message
from schemas.fields import epoch
from schemas.verdict import Verdict
from tests.engine.test_unanswered import Insistent
from tests.support.events import (
    ABROAD,
    KEY,
    burst,
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
    return messages(in_time(office(6), thief(workday(4, 11), 60, client_ip=ABROAD)))


def forgiven() -> Iterator[Message]:
    """The same after a person said that it is fine, as soon as anything was said."""
    first = run(traffic()).incidents[0]
    verdict = Verdict(
        incident_id=first.incident_id,
        key_id=KEY,
        verdict="benign",
        by="ana",
        at=epoch(first.detected_at),
    )
    for message in traffic():
        yield message
        if message.appended_at > epoch(first.detected_at):
            yield control("verdict", verdict, at=message.appended_at)


def test_what_is_remembered_counts() -> None:
    nats: list[float] = []
    run(
        traffic(),
        PartitionFold(replace(rules(), witness=lambda it: nats.append(it.conclusion.nats))),
    )
    found = explain(traffic(), rules(), KEY)
    assert found.closest is not None
    assert found.closest.conclusion.nats == max(nats)
    assert found.kept_quiet is None


def test_what_was_forgiven_was_said_but_came_to_nothing() -> None:
    log, forgave = renumbered(forgiven()), dict[float, bool]()
    watched = replace(rules(), witness=lambda it: forgave.update({it.at: bool(it.forgiven_by)}))
    run(log, PartitionFold(watched))
    found = explain(log, rules(), KEY)
    suppressed = found.revisions[-1]
    assert suppressed.status == "suppressed"
    assert found.heard["spend_spike"].score > max(each.score for each in suppressed.signals)
    assert forgave[found.heard["spend_spike"].at]
    assert found.closest is not None
    assert not forgave[found.closest.at]
    assert found.kept_quiet is not None
    assert forgave[found.kept_quiet.at]
    assert found.kept_quiet.conclusion.nats > SHIPPED.page_nats


def nights(*days: int) -> list[Message]:
    """Loops of the owner's own, far more than ever, that nobody answers."""
    loops = [burst(workday(day, 2), 400, cost_usd=0.5) for day in days]
    return messages(in_time(office(30), *loops), 40)


def test_what_nobody_answered_keeps_its_like_quiet() -> None:
    assert explain(nights(8), rules(), KEY).kept_quiet is None
    again = explain(nights(8, 10), rules(), KEY).kept_quiet
    assert again is not None
    assert again.forgiven_by is not None
    assert workday(10, 2) < again.at < workday(10, 3) < again.forgiven_by.until < workday(16, 0)
    assert again.forgiven_by.cause == again.conclusion.cause


def test_who_paged_in_vain_is_said_to_take_more_for_a_page() -> None:
    later = SHIPPED.page_nats + LIVELY_NATS - 0.1
    judged = replace(rules(), detectors=(Insistent(later, "runaway"),))
    look = explain(messages(office(24), 40), judged, KEY).kept_quiet
    assert look is not None
    assert (look.conclusion.nats, look.forgiven_by, look.lively) == (later, None, LIVELY_NATS)


class Fading(Insistent):
    """Less sure in the afternoon."""

    def judge(self, key: KeyView) -> Finding | None:
        found = super().judge(key)
        if found is None or key.now < workday(21, 12):
            return found
        return replace(found, score=SHIPPED.page_nats + 0.5)


def test_what_people_were_told_of_was_not_kept_quiet() -> None:
    enough = SHIPPED.page_nats + LIVELY_NATS + 0.1
    found = explain(
        messages(office(22), 40), replace(rules(), detectors=(Fading(enough, "runaway"),)), KEY
    )
    assert {each.incident_id for each in found.revisions if each.severity == "page"}
    assert found.last_at is not None
    assert found.last_at > workday(21, 12)
    assert found.kept_quiet is None
