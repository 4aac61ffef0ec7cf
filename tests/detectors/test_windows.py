"""Sums over the open windows of a key leave the windows as they are."""

from detectors.baselines.totals import Totals, add_up
from detectors.baselines.windows import MinuteWindow, Windows


def windows() -> Windows:
    minutes = {
        number: MinuteWindow(
            *(number, 1, 2, 3, 4, 5),
            slices={"a": Totals(number), "b": Totals(1)},
            foreign=Totals(1),
        )
        for number in (10, 11, 13)
    }
    return Windows(minutes=minutes, longs={11: Totals(2), 13: Totals(5)})


def test_every_field_is_summed() -> None:
    assert add_up([Totals(1, 2, 3, 4, 5, 6), Totals(10, 20, 30, 40, 50, 60)]) == Totals(
        11, 22, 33, 44, 55, 66
    )
    assert add_up([]) == Totals()


def test_the_last_minutes_are_summed_and_unchanged() -> None:
    known = windows()
    for _ in range(2):
        assert known.recent(13, 3) == Totals(24, 2, 4, 6, 8, 10)
        assert known.recent_foreign(13, 4) == Totals(3)
        assert known.recent_longs(13, 2) == Totals(5)
        assert known.recent_slices(13, 4) == {"a": Totals(34), "b": Totals(3)}
    assert known == windows()
