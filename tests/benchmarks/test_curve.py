"""The curve of recall against false pages counts pages as people would hear of them."""

import math

from detectors.fusion import Conclusion
from pipeline.engine.witness import Look
from schemas.fields import utc
from schemas.label import Label
from tests.benchmarks.detection import Curve

HOUR, AT = 3_600.0, 1_790_000_000.0


def look(at: float, nats: float, *, takes: float = 7.0, lively: float = 0.0) -> Look:
    return Look("key-1", at, [], Conclusion(nats, "leaked", None), takes, 7.0, lively, None, False)


def row(curve: Curve, nats: str, truth: list[Label] | None = None) -> list[str]:
    lines = curve.render(truth or [], 1000.0).splitlines()
    return next(line.split() for line in lines if line.startswith(nats))


def test_a_page_that_goes_on_counts_once_and_another_after_a_quiet_day() -> None:
    curve = Curve()
    for hours in (*range(0, 60, 5), 60 + 25):
        curve.hear(look(AT + hours * HOUR, 7.2))
    assert row(curve, "7.0")[-1] == "2.0"
    assert row(curve, "7.5")[-1] == "0.0"


def test_money_and_pages_in_vain_move_it_as_they_move_pages() -> None:
    curve = Curve()
    curve.hear(look(AT, 6.2, takes=6.0))
    curve.hear(look(AT + 30 * HOUR, 8.0, lively=2.0))
    curve.hear(look(AT + 60 * HOUR, 9.0, takes=math.inf))
    assert row(curve, "7.0")[-1] == "1.0"


def test_an_attack_is_found_within_a_page_that_began_for_nothing() -> None:
    curve = Curve()
    attack = Label(
        label_id="a",
        key_id="key-1",
        kind="theft",
        malicious=True,
        started_at=utc(AT + HOUR),
        ended_at=utc(AT + 5 * HOUR),
    )
    for hours in (0, 2):
        curve.hear(look(AT + hours * HOUR, 7.2))
    assert row(curve, "7.0", [attack])[-3:] == ["100.0", "%", "1.0"]
