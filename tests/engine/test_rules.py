"""The detectors that a fold is given are the ones that it asks and remembers, whoever made them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from detectors.contract import Detector, Finding, KeyView, Trigger
from pipeline.engine import PartitionFold
from schemas.incident import Cause
from tests.support.events import MINUTE, burst, in_time, messages, office, rules, run
from tests.support.examples import HONEST_DAYS, NOW


class Between(Detector):
    """Sure of half a page from one minute to another."""

    question = catches = misses = advice = "between"
    causes: ClassVar[Mapping[Cause, float]] = {"leaked": 1.0}
    about = "facts"

    def __init__(self, name: str, first: float, last: float) -> None:
        self.name = name  # type: ignore[misc]  # of a class, where there is one of each
        self.first, self.last = NOW + first * MINUTE, NOW + last * MINUTE

    def judge(self, key: KeyView) -> Finding | None:
        if not self.first <= key.now < self.last:
            return None
        return Finding(score=5.0, summary=f"{key.now:.0f}.", since=key.now)


def told(*detectors: Detector) -> list[tuple[str, dict[str, float]]]:
    """Of each revision: its severity, and the minute of which each signal tells."""
    log = messages(in_time(office(HONEST_DAYS), burst(NOW, 40, seconds=20 * MINUTE)), 1)
    incidents = run(log, PartitionFold(replace(rules(), detectors=detectors))).incidents
    return [
        (each.severity, {one.detector: float(one.summary) for one in each.signals})
        for each in incidents
    ]


def test_what_a_detector_of_ones_own_said_still_counts_later() -> None:
    revisions = told(Between("first", 0, 1), Between("second", 10, 20))
    assert [(severity, sorted(said)) for severity, said in revisions] == [
        ("ticket", ["first"]),
        ("page", ["first", "second"]),
    ]


def test_what_a_detector_of_ones_own_said_is_brought_up_to_date_by_it() -> None:
    first, second = Between("first", 0, 20), Between("second", 10, 20)
    first.triggers = Trigger.HOUR  # type: ignore[misc]  # and so asked once
    (_, (_, said)) = told(first, second)
    assert said["first"] == said["second"]
