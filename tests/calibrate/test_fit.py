"""Thresholds from a page budget: the lowest that keep it, within a bound, not from nothing."""

from dataclasses import replace

import msgspec
import pytest

from detectors.calibration import SHIPPED
from detectors.fusion import Conclusion
from pipeline.calibrate.fit import (
    MOVE_SHARE_MAX,
    STEP_NATS,
    NotEnoughHistoryError,
    check_history,
    fit,
    tails,
    versioned,
)
from pipeline.calibrate.tally import Tally, Watched
from pipeline.engine.witness import Look
from schemas.calibration import Calibration, Tail
from schemas.codec import decode_control

WEEK, DAY = 7 * 86_400.0, 86_400.0
START = 20_000 * DAY
BUDGET = 5.0


def watched(keys: int, weeks: float) -> Tally:
    """Keys that were seen every day, and showed nothing."""
    seen = Watched(START, START + weeks * WEEK, days=round(7 * weeks))
    return Tally(watched={f"key-{number}": seen for number in range(keys)})


def peak(tally: Tally, number: int, nats: float, *, day: float = 1.0) -> None:
    tally.peaks[f"key-{number}"][int((START + day * DAY) // 3600)] = nats


def test_the_threshold_is_the_lowest_at_which_the_budget_holds() -> None:
    tally = watched(1000, 1.0)
    for number in range(100):
        peak(tally, number, 5.2 + 0.02 * number)
    found = fit(tally, tally.watched, BUDGET, SHIPPED)
    assert tally.pages_at(found.page_nats, tally.watched) <= 5
    assert tally.pages_at(found.page_nats - STEP_NATS, tally.watched) > 5
    assert found.holds
    ratio = SHIPPED.ticket_nats / SHIPPED.page_nats
    assert found.ticket_nats == pytest.approx(found.page_nats * ratio, abs=1e-4)


def test_a_page_that_money_made_easier_counts_as_one() -> None:
    """Else it would take a threshold for quiet at which keys do page."""
    tally = watched(1, 1.0)
    conclusion = Conclusion(5.2, "leaked", None)
    look = Look("key-0", START + DAY, [], conclusion, 5.0, 7.0, 0.0, None, told=False)
    tally.hear(look)
    assert tally.pages_at(7.2, tally.watched) == 1
    tally.hear(replace(look, lively=2.5, at=START + 3 * DAY))
    assert tally.pages_at(4.7, tally.watched) == 2, "one that is no page after one in vain"
    assert tally.pages_at(4.8, tally.watched) == 1


def test_noise_on_many_keys_moves_a_threshold_by_a_bounded_share_and_is_told() -> None:
    tally = watched(1000, 1.0)
    for number in range(1000):
        peak(tally, number, 50.0)
    found = fit(tally, tally.watched, BUDGET, SHIPPED)
    assert found.page_nats == pytest.approx(SHIPPED.page_nats * (1 + MOVE_SHARE_MAX))
    assert not found.holds


def test_a_quiet_history_lowers_a_threshold_by_a_bounded_share() -> None:
    tally = watched(1000, 1.0)
    found = fit(tally, tally.watched, BUDGET, SHIPPED)
    lowest = SHIPPED.page_nats * (1 - MOVE_SHARE_MAX)
    assert lowest <= found.page_nats <= lowest + STEP_NATS


def test_a_key_that_shows_much_all_day_counts_once_in_24_hours() -> None:
    tally = watched(10, 1.0)
    for hour in range(48):
        peak(tally, 1, 9.0, day=hour / 24)
    assert tally.pages_at(8.0, tally.watched) == 2
    assert tally.pages_at(8.0, ["key-2"]) == 0


def test_too_little_history_is_refused_with_what_is_needed() -> None:
    check_history(200.0, BUDGET)
    with pytest.raises(NotEnoughHistoryError, match=r"199 key-weeks; .* needs 200"):
        check_history(199.4, BUDGET)


def test_a_tail_says_how_many_key_days_showed_so_much() -> None:
    tally = watched(100, 1.0)
    for number in range(70):
        tally.scores["spend_spike"][f"key-{number}", 20_001] = 0.1 * number
    tail = tails(tally, tally.watched)["spend_spike"]
    assert tail.share(100.0) == pytest.approx(1 / 700)
    # Less than the least that was seen: as often as any of it was.
    assert tail.share(-1.0) == pytest.approx(70 / 700)
    assert Tail(scores=[], shares=[]).share(5.0) == 1.0
    counted = [sum(0.1 * n >= score for n in range(70)) / 700 for score in tail.scores]
    assert counted == pytest.approx(tail.shares)
    assert tails(tally, ["key-0"])["spend_spike"].shares == [pytest.approx(1 / 7)]


@pytest.mark.parametrize(
    "table",
    [
        {"scores": [1.0], "shares": []},
        {"scores": [2.0, 1.0], "shares": [0.2, 0.1]},
        {"scores": [1.0, 2.0], "shares": [0.1, 0.2]},
        {"scores": [1.0], "shares": [0.0]},
    ],
)
def test_a_tail_that_is_none_is_refused(table: dict[str, list[float]]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, Tail)


def test_a_version_is_a_date_and_the_content() -> None:
    one = versioned(SHIPPED, START)
    assert one == versioned(msgspec.structs.replace(SHIPPED, version="other"), START)
    assert one.version.startswith("2024-10-04-")
    other = versioned(msgspec.structs.replace(SHIPPED, page_nats=6.9), START)
    assert other.version != one.version


def test_a_calibration_may_still_have_a_tail_of_all_evidence_together() -> None:
    old = msgspec.to_builtins(SHIPPED) | {"fused": {"scores": [0.3], "shares": [0.2]}}
    raw = msgspec.json.encode(old)
    assert decode_control(raw, Calibration) == SHIPPED
    assert msgspec.json.decode(raw, type=Calibration) == SHIPPED


def test_a_calibration_of_an_earlier_release_has_no_tails() -> None:
    raw = b'{"version":"1","created_at":0,"page_nats":7.0,"ticket_nats":4.0}'
    assert msgspec.json.decode(raw, type=Calibration).p_value("crowd", 9.0) is None
