import json
from collections.abc import Callable, Iterable

import pytest

from pipeline.replay.order import (
    LOOK_AHEAD_LINES,
    Line,
    event_time,
    events_in_file_order,
    in_file_order,
    observation_time,
    statement_time,
)

DAY = 86_400.0
START = 1_767_225_600.0  # 2026-01-01
NOW = START + 365 * DAY


def _line(at: object) -> bytes:
    return json.dumps({"event_id": "e", "occurred_at": at, "key_id": "k"}).encode()


def _ordered(days: Iterable[float], now: float = NOW) -> list[Line]:
    return list(events_in_file_order([_line(START + day * DAY) for day in days], now))


def _believed(days: Iterable[float], now: float = NOW) -> list[bool]:
    return [line.believed for line in _ordered(days, now)]


def test_late_lines_stay_where_they_are() -> None:
    lines = _ordered([0, 0.5, 0.1, 0.6])
    assert [line.at for line in lines] == [START + day * DAY for day in (0, 0.5, 0.5, 0.6)]
    assert [line.number for line in lines] == [1, 2, 3, 4]


def test_a_lone_jump_is_not_believed_and_does_not_move_the_clock() -> None:
    lines = _ordered([0, 3, 0.1, 0.2, 0.3, 0.4])
    assert [line.believed for line in lines] == [True, False, True, True, True, True]
    assert [line.at for line in lines][:3] == [START, START, START + 0.1 * DAY]


def test_a_jump_within_a_day_is_believed() -> None:
    assert all(_believed([0, 0.99, 0.1, 0.2, 0.3]))


def test_a_gap_is_believed_when_three_later_lines_agree() -> None:
    assert all(_believed([0, 3, 3.1, 3.2, 3.3]))
    assert _believed([0, 3, 3.1, 3.2, 0.1, 0.2, 0.3]) == [True, False, False, False] + [True] * 3


def test_a_wild_time_at_a_gap_is_not_confirmed_by_honest_lines_after_it() -> None:
    assert _believed([0, 9_000, 3, 3.1, 3.2, 3.3]) == [True, False, True, True, True, True]


def test_a_witness_beyond_the_look_ahead_does_not_count() -> None:
    between = [0.1] * LOOK_AHEAD_LINES
    assert _believed([0, 3, *between, 3.1, 3.2, 3.3, 3.4])[1] is False
    assert _believed([0, 3, *between[3:], 3.1, 3.2, 3.3, 3.4])[1] is True


def test_a_sparse_end_is_believed_up_to_now() -> None:
    assert _believed([0, 5, 10, 500]) == [True, True, True, False]
    assert _believed([0, 5, 10, 500], now=START + 501 * DAY) == [True] * 4


def test_a_wild_first_line_does_not_set_the_clock() -> None:
    assert _believed([9_000, 0, 0.1, 0.2, 0.3]) == [False, True, True, True, True]
    assert _believed([9_000]) == [False]


def test_a_file_from_before_is_believed_as_a_whole() -> None:
    assert all(_believed([-20_000, -19_990, -19_980]))


def test_a_file_of_a_planned_future_is_believed_when_it_agrees_with_itself() -> None:
    assert all(_believed([9_000, 9_000.1, 9_000.2, 9_000.3]))


def test_lines_without_a_time_stand_at_the_time_before_them() -> None:
    raw = [_line(START), b"garbage", b"", _line("2026-01-01T01:00:00Z"), _line("noon"), b"\xff"]
    lines = list(events_in_file_order(raw, NOW))
    assert [line.at - START for line in lines] == [0, 0, 0, 3600, 3600, 3600]
    assert [line.raw for line in lines] == raw
    assert all(line.believed for line in lines)


@pytest.mark.parametrize("now", [NOW, NOW + 7 * DAY])
def test_where_lines_stand_does_not_depend_on_when_they_are_read(now: float) -> None:
    raw = [b"garbage"] * (LOOK_AHEAD_LINES + 1) + [_line(START + n) for n in range(4)] + [b"{"]
    lines = list(events_in_file_order(raw, now))
    assert [line.at for line in lines if line.raw == b"garbage"] == [0.0] * (LOOK_AHEAD_LINES + 1)
    assert [line.at - START for line in lines[-5:]] == [0, 1, 2, 3, 3]
    assert all(line.believed for line in lines)


@pytest.mark.parametrize("at", ["1e300", "-5", "null", '"2026-01-01T00:00:00"', "[]", "1e999"])
def test_a_time_that_nobody_can_mean_is_no_time(at: str) -> None:
    assert event_time(b'{"occurred_at": %b}' % at.encode()) is None


@pytest.mark.parametrize("time", [event_time, observation_time, statement_time])
def test_a_line_that_is_nested_too_deeply_has_no_time(
    time: Callable[[bytes], float | None],
) -> None:
    assert time(b'{"a":' * 50_000) is None


def test_control_records_stand_at_their_newest_time() -> None:
    lines = in_file_order([b'{"at": 20.0}', b"garbage", b'{"at": 10.0}'], statement_time)
    assert list(lines) == [
        Line(20.0, 1, b'{"at": 20.0}'),
        Line(20.0, 2, b"garbage"),
        Line(20.0, 3, b'{"at": 10.0}'),
    ]
