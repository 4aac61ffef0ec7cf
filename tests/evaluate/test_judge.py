"""Every clause of the rules, on cases small enough to check by hand."""

from typing import Any

import pytest

from pipeline.evaluate.judge import judge, loss
from pipeline.evaluate.pages import Page
from schemas.incident import Cause
from schemas.label import Label

START, END, HOUR, DAY = 1_000_000.0, 1_010_000.0, 3600.0, 86_400.0


def label(**changes: object) -> Label:
    fields: dict[str, Any] = {
        "label_id": "l1",
        "key_id": "k",
        "kind": "stolen_bulk",
        "malicious": True,
        "started_at": START,
        "ended_at": END,
        "cause": "leaked",
        **changes,
    }
    return Label(**fields)


def page(at: float, key_id: str = "k", cause: Cause | None = "leaked") -> Page:
    return Page(key_id, at, cause)


@pytest.mark.parametrize(
    ("at", "detected"),
    [
        (START - 1, False),
        (START, True),
        (END, True),
        (END + HOUR, True),
        (END + HOUR + 1, False),
    ],
)
def test_a_page_counts_from_the_start_to_an_hour_after_the_end(
    at: float, *, detected: bool
) -> None:
    judgement = judge([page(at)], [label()])
    assert judgement.attacks[0].detected is detected
    assert len(judgement.false_pages) == (0 if detected else 1)


def test_the_first_page_in_the_interval_detects_whatever_the_order() -> None:
    judgement = judge([page(START + 500), page(START - 5), page(START + 60)], [label()])
    assert judgement.attacks[0].seconds_to_detect == 60


def test_a_page_on_another_key_detects_nothing_and_is_false() -> None:
    judgement = judge([page(START + 1, key_id="other")], [label()])
    assert not judgement.attacks[0].detected
    assert [p.key_id for p in judgement.false_pages] == ["other"]


def test_false_pages_count_once_per_key_in_24_hours() -> None:
    times = [0.0, 1.0, DAY - 1, DAY, DAY + 5, 3 * DAY]
    judgement = judge([page(t) for t in times] + [page(1.0, "other")], [])
    assert sorted((p.key_id, p.at) for p in judgement.false_pages) == [
        ("k", 0.0),
        ("k", DAY),
        ("k", 3 * DAY),
        ("other", 1.0),
    ]


def test_true_pages_are_counted_in_the_same_way_and_are_never_false() -> None:
    judgement = judge([page(START + t) for t in (1, 2, 3)], [label()])
    assert (judgement.true_pages, judgement.false_pages) == (1, [])


def test_a_page_inside_a_benign_change_is_false_and_counts_against_the_change() -> None:
    launch = label(label_id="l2", kind="launch", malicious=False, cause=None)
    judgement = judge([page(START + 1)], [launch])
    assert judgement.changes == [(launch, True)]
    assert len(judgement.false_pages) == 1


def test_a_page_on_an_attack_within_a_change_does_not_count_against_the_change() -> None:
    growth = label(label_id="l2", kind="growth", malicious=False, cause=None)
    judgement = judge([page(START + 1)], [label(), growth])
    assert judgement.changes == [(growth, False)]
    assert judgement.false_pages == []


def test_one_page_can_detect_two_overlapping_attacks() -> None:
    judgement = judge([page(START + 1)], [label(), label(label_id="l2", kind="probe")])
    assert [attack.detected for attack in judgement.attacks] == [True, True]


def test_what_shows_later_is_timed_from_when_it_shows() -> None:
    judgement = judge([page(START + 700)], [label(visible_at=START + 600)])
    assert judgement.attacks[0].seconds_to_detect == 100


@pytest.mark.parametrize(
    ("named", "right"), [("leaked", True), ("shared", True), ("runaway", False), (None, None)]
)
def test_the_cause_may_be_the_expected_or_an_accepted_one(
    named: Cause | None, *, right: bool | None
) -> None:
    judgement = judge([page(START, cause=named)], [label(accepted_causes=["shared"])])
    assert judgement.attacks[0].cause_right is right


def test_the_spend_curve_of_a_label_says_what_was_lost() -> None:
    known = label(malicious_spend=[(0.0, 1.0), (10.0, 3.0), (20.0, 6.0)])
    assert loss(known, START - 1) == 0
    assert loss(known, START) == 1
    assert loss(known, START + 19) == 3
    assert loss(known, None) == 6
    assert loss(label(), START) is None
