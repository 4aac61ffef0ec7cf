"""Signals are weighed into the best explanation; more of the same counts for less."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.calibration import SHIPPED
from detectors.contract import Finding
from detectors.discovery import all_detectors
from detectors.fusion import (
    STAKES_FREE_USD,
    STAKES_MAX,
    Evidence,
    conclude,
    risk_of,
    severity_of,
    stakes,
)

DETECTORS = {each.name: each for each in all_detectors()}
LEVELS = ("info", "ticket", "page")


def evidence(name: str, score: float) -> Evidence:
    return Evidence(DETECTORS[name], Finding(score, "A sentence.", 0.0))


@st.composite
def some_evidence(draw: st.DrawFn) -> list[Evidence]:
    names = draw(st.lists(st.sampled_from(sorted(DETECTORS)), min_size=1, unique=True))
    return [evidence(name, draw(st.floats(0.1, 50.0))) for name in names]


@settings(max_examples=40, deadline=None)
@given(some_evidence())
def test_the_order_of_signals_does_not_matter(parts: list[Evidence]) -> None:
    again = sorted(parts, key=lambda each: each.detector.question)
    assert conclude(again, SHIPPED) == conclude(parts, SHIPPED)


@settings(max_examples=40, deadline=None)
@given(some_evidence())
def test_more_evidence_never_weakens_a_conclusion(parts: list[Evidence]) -> None:
    assert conclude(parts, SHIPPED).nats >= conclude(parts[:1], SHIPPED).nats


def limit(part: Evidence) -> float:
    """The most that a piece of evidence can add."""
    weight = SHIPPED.weights.get(part.detector.name, 1.0)
    return weight * part.score * max(1.0, *part.causes.values())


@settings(max_examples=40, deadline=None)
@given(some_evidence())
def test_a_conclusion_is_no_stronger_than_the_sum_of_its_parts(parts: list[Evidence]) -> None:
    whole = conclude(parts, SHIPPED)
    assert whole.nats <= sum(limit(each) for each in parts) + 1e-9
    assert whole.runner_up != whole.cause


def test_what_speaks_for_another_cause_counts_but_for_less() -> None:
    """A loop at night is stranger than a loop, though thieves and loops are different things."""
    loop, bill = evidence("runaway_loop", 5.0), evidence("off_gateway", 4.0)
    alone, both = conclude([loop], SHIPPED), conclude([loop, bill], SHIPPED)
    same = conclude([loop, evidence("spend_spike", 4.0)], SHIPPED)
    assert both.cause == alone.cause == same.cause == "runaway"
    assert alone.nats < both.nats < same.nats


def test_a_detector_cannot_weigh_more_than_its_limit() -> None:
    capped = evidence("off_hours", 1e9)
    assert capped.score == DETECTORS["off_hours"].score_max


def test_the_second_signal_counts_for_less_than_the_first() -> None:
    one = conclude([evidence("new_source", 3.0)], SHIPPED).nats
    two = conclude([evidence("new_source", 3.0), evidence("off_hours", 3.0)], SHIPPED).nats
    assert one < two < 2 * one


def test_a_calibration_may_silence_a_detector() -> None:
    silent = msgspec.structs.replace(SHIPPED, weights={"new_source": 0.0})
    assert conclude([evidence("new_source", 9.0)], silent).nats == 0.0


@pytest.mark.parametrize("nats", [0.0, SHIPPED.ticket_nats, SHIPPED.page_nats])
def test_severities_begin_at_their_thresholds(nats: float) -> None:
    below, at = severity_of(nats - 1e-9, SHIPPED), severity_of(nats, SHIPPED)
    assert LEVELS.index(at) - LEVELS.index(below) == (nats > 0)


@pytest.mark.parametrize(
    ("nats", "excess_usd_per_hour", "severity"),
    [
        (SHIPPED.page_nats - 1.0, 0.0, "ticket"),
        (SHIPPED.page_nats - 1.0, STAKES_FREE_USD, "ticket"),
        (SHIPPED.page_nats - 1.0, 20.0, "ticket"),
        (SHIPPED.page_nats - 1.0, 100.0, "page"),
        (SHIPPED.page_nats - STAKES_MAX - 0.1, 1e6, "ticket"),
        (SHIPPED.ticket_nats - 0.1, 1e6, "info"),
    ],
)
def test_a_page_takes_less_evidence_the_faster_money_goes(
    nats: float, excess_usd_per_hour: float, severity: str
) -> None:
    assert severity_of(nats, SHIPPED, stakes(excess_usd_per_hour)) == severity


def test_risk_is_a_half_at_the_threshold_of_a_page_and_stays_below_one() -> None:
    assert risk_of(SHIPPED.page_nats, SHIPPED) == 0.5
    assert risk_of(-3.0, SHIPPED) == 0.0
    assert 0.99 < risk_of(1e3, SHIPPED) <= 1.0


@pytest.mark.parametrize("nats", [1e200, math.inf, -math.inf, math.nan])
def test_risk_is_a_number_whatever_an_earlier_release_took_in(nats: float) -> None:
    low = msgspec.structs.replace(SHIPPED, page_nats=5e-324)
    assert all(0.0 <= risk_of(nats, each) <= 1.0 for each in (SHIPPED, low))
