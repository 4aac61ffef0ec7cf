import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.message import Message
from pipeline.replay.merge import Recording, in_its_line, merge
from schemas.dead_letter import DeadLetter
from schemas.topics import CONTENT_TYPE_HEADER, MESSAGE_BYTES_MAX, NDJSON

START = 1_767_225_600.0
NOW = START + 86_400 * 365


def _write(path: Path, records: list[dict[str, Any] | bytes]) -> Path:
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def _event(seconds: float, **more: object) -> dict[str, Any]:
    return {"event_id": f"e{seconds}", "occurred_at": START + seconds, "key_id": "k", **more}


def _shape(messages: list[Message]) -> list[tuple[str, int, int]]:
    """Kind of record, number of the first line, number of lines."""
    return [(m.record, m.offset, m.value.count(b"\n") + 1) for m in messages]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    revoked = {"key_id": "k", "status": "revoked", "status_changed_at": START + 15}
    usage = {
        "provider": "openai",
        "key_id": "k",
        "window_start": START,
        "window_end": START + 20,
        "observed_at": START + 25,
    }
    verdict = {
        "incident_id": "i",
        "key_id": "k",
        "verdict": "benign",
        "by": "slack:U1",
        "at": START + 35,
    }
    return Recording(
        events=_write(tmp_path / "events.jsonl", [_event(s) for s in (0, 10, 20, 5, 30, 40)]),
        provider_usage=_write(tmp_path / "provider.jsonl", [usage]),
        keys=_write(tmp_path / "keys.jsonl", [revoked, {"key_id": "j"}, b'{"a":' * 50_000]),
        verdicts=_write(tmp_path / "verdicts.jsonl", [verdict]),
    )


def test_files_become_one_log_by_time(recording: Recording) -> None:
    messages = list(merge(recording, NOW))
    assert _shape(messages) == [
        ("key", 3, 1),  # a refused line
        ("key", 1, 1),
        ("key", 2, 1),
        ("usage", 1, 2),
        ("key", 1, 1),
        ("usage", 3, 2),
        ("provider-usage", 1, 1),
        ("usage", 5, 1),
        ("verdict", 1, 1),
        ("usage", 6, 1),
    ]
    assert [m.topic for m in messages[3:5]] == ["events.jsonl", "keys.jsonl"]


def test_a_key_is_active_until_its_status_changes(recording: Recording) -> None:
    first, *_, change = [m for m in merge(recording, NOW) if m.record == "key" and m.offset == 1]
    assert json.loads(first.value) == {"key_id": "k"}
    assert json.loads(change.value)["status"] == "revoked"
    assert change.appended_at == START + 15


def test_the_registry_tells_of_its_keys_when_the_log_begins(recording: Recording) -> None:
    messages = [m for m in merge(recording, NOW) if m.record == "key"]
    assert [m.told_at for m in messages] == [START, START, START, 0]
    assert [m.appended_at for m in messages] == [START, START, START, START + 15]


def _statuses(tmp_path: Path, *lines: dict[str, Any]) -> list[tuple[str, str]]:
    """Before or after which of the events at 0, 20 and 40 s which status of a key is told."""
    recording = Recording(
        events=_write(tmp_path / "events.jsonl", [_event(s) for s in (0, 20, 40)]),
        keys=_write(tmp_path / "keys.jsonl", [{"key_id": "k"} | line for line in lines]),
    )
    return [
        (json.loads(m.value).get("status", "active"), f"{max(0.0, m.appended_at - START):.0f}")
        if m.record == "key"
        else ("used", f"{m.appended_at - START:.0f}")
        for m in merge(recording, NOW, packed_lines_max=1)
    ]


USED = [("used", "0"), ("used", "20"), ("used", "40")]


@pytest.mark.parametrize(
    "last", [{}, {"status_changed_at": START + 10}, {"status_changed_at": START + 9}]
)
def test_a_key_that_a_later_line_activates_again_is_not_revoked(
    tmp_path: Path, last: dict[str, Any]
) -> None:
    revoked = {"status": "revoked", "status_changed_at": START + 10}
    told = _statuses(tmp_path, revoked, last)
    assert [each for each in told if each[0] != "active"] == USED


def test_a_key_is_revoked_until_a_later_line_activates_it_again(tmp_path: Path) -> None:
    revoked = {"status": "revoked", "status_changed_at": START + 10, "team": "before"}
    active = {"status": "active", "status_changed_at": START + 30, "team": "now"}
    used = iter(USED)
    assert _statuses(tmp_path, revoked, active) == [
        ("active", "0"),
        next(used),
        ("revoked", "10"),
        next(used),
        ("active", "30"),
        next(used),
    ]
    keys = merge(
        Recording(tmp_path / "events.jsonl", keys=tmp_path / "keys.jsonl"), NOW, packed_lines_max=1
    )
    assert {json.loads(m.value)["team"] for m in keys if m.record == "key"} == {"now"}


def test_a_line_that_is_refused_takes_nothing_back(tmp_path: Path) -> None:
    revoked = {"status": "revoked", "status_changed_at": START + 10}
    told = _statuses(tmp_path, revoked, {"daily_budget_usd": -1})
    assert ("revoked", "10") in told


def test_a_registry_without_events_is_a_log(recording: Recording, tmp_path: Path) -> None:
    empty = _write(tmp_path / "none.jsonl", [])
    assert len(list(merge(Recording(empty, keys=recording.keys), NOW))) == 4


def test_a_status_without_a_time_holds_from_the_start(tmp_path: Path) -> None:
    keys = _write(tmp_path / "keys.jsonl", [{"key_id": "k", "status": "revoked"}])
    events = _write(tmp_path / "events.jsonl", [_event(0)])
    messages = list(merge(Recording(events, keys=keys), NOW))
    assert _shape(messages) == [("key", 1, 1), ("usage", 1, 1)]
    assert json.loads(messages[0].value)["status"] == "revoked"


def test_packed_and_single_lines_hold_the_same(recording: Recording) -> None:
    single = list(merge(recording, NOW, packed_lines_max=1))
    packed = list(merge(recording, NOW))
    lines = [line for m in packed for line in m.value.split(b"\n")]
    assert [m.value for m in single] == lines
    assert all(CONTENT_TYPE_HEADER not in m.headers for m in single)
    assert {m.headers.get(CONTENT_TYPE_HEADER) for m in packed if b"\n" in m.value} == {NDJSON}


def test_a_message_is_never_larger_than_the_log_takes(tmp_path: Path) -> None:
    events = _write(
        tmp_path / "events.jsonl", [_event(s, user_agent="a" * 300_000) for s in range(5)]
    )
    messages = list(merge(Recording(events), NOW))
    assert _shape(messages) == [("usage", 1, 3), ("usage", 4, 2)]
    assert max(len(m.value) for m in messages) <= MESSAGE_BYTES_MAX


def test_an_oversized_line_stays_oversized_and_alone(tmp_path: Path) -> None:
    events = _write(tmp_path / "events.jsonl", [_event(0), b"x" * 10_000_000, _event(1)])
    messages = list(merge(Recording(events), NOW))
    assert [len(m.value) > MESSAGE_BYTES_MAX for m in messages] == [False, True, False]


def test_a_wild_time_is_judged_by_itself_and_an_empty_line_is_none(tmp_path: Path) -> None:
    events = _write(
        tmp_path / "events.jsonl",
        [_event(0), b"", _event(1), _event(86_400 * 9_000), _event(2), _event(3)],
    )
    messages = list(merge(Recording(events), NOW))
    assert _shape(messages) == [
        ("usage", 1, 1),
        ("usage", 3, 1),
        ("usage", 4, 1),
        ("usage", 5, 2),
    ]
    assert [m.appended_at - START for m in messages] == [0, 1, 1, 3]


def test_a_dead_letter_finds_its_line_again() -> None:
    letter = DeadLetter(
        topic="events.jsonl",
        offset=501,
        index=7,
        reason="not_json",
        detail="the message is not JSON",
        received_at=START,
        payload="",
    )
    assert (in_its_line(letter).offset, in_its_line(letter).index) == (508, 0)


def test_a_change_of_status_in_a_registry_with_nulls_comes_at_its_time(tmp_path: Path) -> None:
    revoked = {
        "key_id": "k", "protected": None, "status": "revoked", "status_changed_at": START + 15,
    }  # fmt: skip
    recording = Recording(
        events=_write(tmp_path / "events.jsonl", [_event(0), _event(30)]),
        keys=_write(tmp_path / "keys.jsonl", [revoked]),
    )
    assert [m.record for m in merge(recording, NOW)] == ["key", "usage", "key", "usage"]


@pytest.mark.parametrize("bad", [{"timezone": "Mars/Base"}, {"alias": "x" * 20_000}])
def test_a_refused_change_of_status_is_one_refused_line(
    tmp_path: Path, bad: dict[str, str]
) -> None:
    revoked = {"key_id": "k", "status": "revoked", "status_changed_at": START + 15} | bad
    recording = Recording(
        events=_write(tmp_path / "events.jsonl", [_event(0), _event(30)]),
        keys=_write(tmp_path / "keys.jsonl", [revoked]),
    )
    assert [m.record for m in merge(recording, NOW)] == ["key", "usage"]
