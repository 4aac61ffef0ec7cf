"""An explanation says what the engine itself weighed."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from detectors.fusion import Conclusion
from pipeline.engine import PartitionFold
from pipeline.explain import explain
from pipeline.message import Message
from schemas.fields import epoch
from schemas.verdict import Verdict
from tests.support.events import (
    ABROAD,
    KEY,
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
    run(traffic(), PartitionFold(replace(rules(), witness=lambda *said: nats.append(said[3].nats))))
    found = explain(traffic(), rules(), KEY)
    assert found.closest is not None
    assert found.closest.nats == max(nats)


def test_what_was_forgiven_was_said_but_came_to_nothing() -> None:
    log, came_to = renumbered(forgiven()), dict[float, Conclusion | None]()
    watched = replace(rules(), witness=lambda *said: came_to.update({said[1]: said[3]}))
    run(log, PartitionFold(watched))
    found = explain(log, rules(), KEY)
    suppressed = found.revisions[-1]
    assert suppressed.status == "suppressed"
    assert found.heard["spend_spike"].score > max(each.score for each in suppressed.signals)
    assert came_to[found.heard["spend_spike"].at] is None
    assert found.closest_at is not None
    assert came_to[found.closest_at] == found.closest
