"""From incidents and events to the figures of a report."""

from typing import Any

from pipeline.evaluate import compare, evaluate, render
from schemas.incident import Incident
from schemas.label import Label
from schemas.usage_event import UsageEvent

WEEK = 7 * 86_400.0


def incident(at: float, **changes: object) -> Incident:
    fields: dict[str, Any] = {
        "incident_id": "i1",
        "revision": 1,
        "key_id": "k",
        "status": "open",
        "severity": "page",
        "cause": "leaked",
        "risk": 0.9,
        "opened_at": at,
        "detected_at": at,
        "spend_usd": 0,
        "baseline_usd": 0,
        "burn_usd_per_hour": 0,
        **changes,
    }
    return Incident(**fields)


def event(at: float, key_id: str = "k", **changes: object) -> UsageEvent:
    fields: dict[str, Any] = {
        "event_id": f"{key_id}{at}",
        "occurred_at": at,
        "key_id": key_id,
        **changes,
    }
    return UsageEvent(**fields)


def label(start: float, end: float, **changes: object) -> Label:
    fields: dict[str, Any] = {
        "label_id": "l",
        "key_id": "k",
        "kind": "stolen_bulk",
        "malicious": True,
        "started_at": start,
        "ended_at": end,
        "cause": "leaked",
        **changes,
    }
    return Label(**fields)


def test_only_open_revisions_with_severity_page_are_pages() -> None:
    quiet = [
        incident(50.0, severity="ticket"),
        incident(51.0, severity="info"),
        incident(52.0, status="resolved"),
        incident(53.0, status="suppressed"),
    ]
    assert evaluate(quiet, [label(0, 100)], []).overall.detected == 0
    assert evaluate([*quiet, incident(54.0)], [label(0, 100)], []).overall.detected == 1


def test_without_a_curve_everything_that_the_key_spent_until_the_page_is_lost() -> None:
    events = [
        event(-1.0, cost_usd=100.0),
        event(0.0, cost_usd=1.0),
        event(5.0, cost_usd=2.0),
        event(5.0, cost_usd=2.0),  # the same event again
        event(6.0, key_id="other", cost_usd=50.0),
        event(11.0, cost_usd=4.0),
    ]
    report = evaluate([incident(10.0)], [label(0, 100)], events)
    assert report.overall.lost_usd_median == 3.0
    missed = evaluate([], [label(0, 100)], events)
    assert missed.overall.lost_usd_median is None
    assert missed.overall.lost_usd_total == 7.0
    assert (report.overall.spent_usd_total, missed.overall.spent_usd_total) == (7.0, 7.0)
    assert (report.overall.lost_share, missed.overall.lost_share) == (3 / 7, 1.0)


def test_what_the_attacks_spent_in_all_is_said_beside_what_went_before_a_page() -> None:
    curve = [(0.0, 1.0), (20.0, 6.0), (50.0, 10.0)]
    labels = [
        label(0, 100, malicious_spend=curve),
        label(0, 100, key_id="b", malicious_spend=curve),
    ]
    report = evaluate([incident(20.0)], labels, [])
    assert (report.overall.lost_usd_total, report.overall.spent_usd_total) == (16.0, 20.0)
    text = render(report)
    assert "of $20.00 that the attacks spent, $16.00 (80.0 %) went before a page, or wit" in text
    assert "80.0 %" in compare({"ours": report})
    assert "of $0.00 that the attacks spent, $0.00 (-)" in render(evaluate([], [], []))


def test_false_pages_are_related_to_the_weeks_that_keys_were_watched() -> None:
    events = [event(0.0), event(WEEK), event(0.0, "b"), event(WEEK, "b")]
    report = evaluate([incident(100.0)], [], events)
    assert (report.keys, report.key_weeks) == (2, 2.0)
    assert report.false_pages_per_1000_key_weeks == 500.0
    assert report.precision == 0.0


def test_a_late_event_counts_as_spend_and_not_as_time_watched() -> None:
    events = [event(9 * WEEK), event(10 * WEEK), event(0.0, cost_usd=3.0)]
    report = evaluate([incident(10 * WEEK)], [label(0, 10 * WEEK)], events)
    assert (report.events, report.key_weeks) == (3, 1.0)
    assert report.overall.lost_usd_total == 3.0


def test_figures_by_kind_name_the_weakest() -> None:
    labels = [
        label(0, 100),
        label(0, 100, label_id="2", key_id="b", kind="mimic"),
        label(0, 100, label_id="3", kind="launch", malicious=False, cause=None),
    ]
    report = evaluate([incident(30.0)], labels, [])
    assert [(row.kind, row.recall) for row in report.kinds] == [("mimic", 0.0), ("stolen_bulk", 1)]
    assert (report.weakest_kind, report.weakest_recall) == ("mimic", 0.0)
    assert (report.overall.detect_seconds_median, report.overall.cause_accuracy) == (30.0, 1.0)
    assert (report.benign_changes, report.benign_changes_paged) == (1, 0)


def test_nothing_at_all_is_no_division_by_zero() -> None:
    report = evaluate([], [], [])
    assert report.precision is None
    assert report.false_pages_per_1000_key_weeks is None
    assert "0 events" in render(report)
