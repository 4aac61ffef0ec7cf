"""Sums over the open windows of a key leave the windows as they are."""

from detectors.baselines.totals import Totals, add_up
from detectors.baselines.windows import HourWindow, MinuteWindow, Windows


def windows() -> Windows:
    minutes = {
        number: MinuteWindow(
            *(number, 1, 2, 3, 4, 5),
            slices={1: Totals(number), 0: Totals(1)},
            foreign=Totals(1),
        )
        for number in (10, 11, 13)
    }
    longs = {11: Totals(2), 13: Totals(5)}
    return Windows(minutes=minutes, longs=longs, tokens={"b": 0, "a": 1})


def test_every_field_is_summed() -> None:
    assert add_up([Totals(1, 2, 3, 4, 5, 6), Totals(10, 20, 30, 40, 50, 60)]) == Totals(
        11, 22, 33, 44, 55, 66
    )
    assert add_up([]) == Totals()


def test_slices_that_no_window_holds_are_forgotten() -> None:
    known = windows()
    known.hours = {0: HourWindow(slices={1: 7})}
    minutes, hour = known.recent_slices(13, 4), known.named(known.hours[0].slices)
    known.tokens = {"b": 0, "a": 1, "c": 2}
    known.renumber()
    assert list(known.tokens) == ["b", "a"]
    for minute in known.minutes.values():
        del minute.slices[0]
    known.renumber()
    assert known.tokens == {"a": 0}
    assert known.recent_slices(13, 4) == {"a": minutes["a"]}
    assert known.named(known.hours[0].slices) == hour


def test_the_last_minutes_are_summed_and_unchanged() -> None:
    known = windows()
    for _ in range(2):
        assert known.recent(13, 3) == Totals(24, 2, 4, 6, 8, 10)
        assert known.recent_foreign(13, 4) == Totals(3)
        assert known.recent_longs(13, 2) == Totals(5)
        assert known.recent_slices(13, 4) == {"a": Totals(34), "b": Totals(3)}
    assert known == windows()


def test_what_an_hour_spent_before_its_kept_minutes_is_the_rest() -> None:
    minutes = {number: MinuteWindow(nanos=10) for number in (59, 70, 89)}
    known = Windows(minutes=minutes, hours={1: HourWindow(nanos=100)})
    assert known.spend_before_kept(1, 89) == 80
    assert known.spend_before_kept(1, 100) == 90
