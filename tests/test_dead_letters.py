"""Dead letters in the store, and the two ways out: back onto the log, or gone."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from pipeline import dead_letters as letters
from pipeline.dead_letters import NoPlaceError, NotReadableError, Place, UnknownPlaceError
from pipeline.store import Store
from pipeline.store.rows import DEAD_LETTERS
from schemas.codec import decode_event
from schemas.dead_letter import PAYLOAD_BYTES_MAX, DeadLetter, Reason, pack_payload
from tests.support.samples import AT

GOOD = b'{"event_id": "e", "key_id": "k", "occurred_at": 1790000000}'
HUGE = b'{"event_id": "' + b"x" * PAYLOAD_BYTES_MAX + b'"}'


def letter(offset: int, raw: bytes = GOOD, reason: Reason = "misplaced_twice") -> DeadLetter:
    return DeadLetter(
        topic="usage-events",
        partition=3,
        offset=offset,
        index=1,
        reason=reason,
        detail="it was refused",
        received_at=AT + offset,
        payload=pack_payload(raw),
    )


@pytest.fixture
def filled(store: Store) -> Store:
    store.insert(DEAD_LETTERS, [letter(1), letter(2, b"{", "not_json"), letter(3, HUGE)])
    return store


def places(rows: Sequence[letters.Row]) -> list[str]:
    return [str(letters.place_of(row)) for row in rows]


def test_the_latest_come_first_and_reasons_are_counted(filled: Store) -> None:
    assert places(letters.find(filled)) == [f"usage-events/3/{n}/1" for n in (3, 2, 1)]
    assert places(letters.find(filled, "not_json")) == ["usage-events/3/2/1"]
    assert letters.counts(filled) == [("misplaced_twice", 2), ("not_json", 1)]
    assert letters.counts(filled, "not_json") == [("not_json", 1)]


def test_one_is_found_by_its_place(filled: Store) -> None:
    place = Place.parse("usage-events/3/2/1")
    assert letters.payload_of(letters.find_one(filled, place)) == b"{"
    with pytest.raises(UnknownPlaceError, match="no such dead letter"):
        letters.find_one(filled, Place("usage-events", 3, 99, 1))


@pytest.mark.parametrize("text", ["", "usage-events", "t/1/2", "t/1/2/x", "t/-1/2/3", "t/1/2/²"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(NoPlaceError, match="TOPIC/PARTITION/OFFSET/INDEX"):
        Place.parse(text)


def test_what_was_dropped_is_gone_and_the_rest_stays(filled: Store) -> None:
    assert letters.drop(filled, letters.find(filled, "misplaced_twice")) == 2
    assert places(letters.find(filled)) == ["usage-events/3/2/1"]


def test_many_are_dropped_with_few_deletions(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = r"it's {x:String} of 100%s\.jsonl"
    many = [msgspec.structs.replace(letter(n), topic=topic) for n in range(1_001)]
    any_store.insert(DEAD_LETTERS, [*many, letter(1)])
    deletions: list[str] = []
    change = any_store.change

    def spy(sql: str, params: Mapping[str, Any]) -> None:
        deletions.append(sql)
        change(sql, params)

    monkeypatch.setattr(any_store, "change", spy)
    rows = [row for row in letters.find(any_store) if row["topic"] == topic]
    assert letters.drop(any_store, rows) == 1_001
    assert len(deletions) == 3
    assert places(letters.find(any_store)) == ["usage-events/3/1/1"]


def test_what_stood_at_the_same_place_of_an_earlier_topic_is_not_dropped(store: Store) -> None:
    earlier = msgspec.structs.replace(letter(2), received_at=AT)
    store.insert(DEAD_LETTERS, [letter(2, b"{", "not_json"), earlier])
    assert letters.drop(store, letters.find(store, "not_json")) == 1
    assert letters.counts(store) == [("misplaced_twice", 1)]


def test_what_can_be_read_goes_back_and_the_rest_says_why() -> None:
    key_id, event = letters.to_event(GOOD)
    assert (key_id, decode_event(event).event_id) == ("k", "e")
    with pytest.raises(NotReadableError):
        letters.to_event(b"{")


@pytest.mark.parametrize("redacted", [
    GOOD.replace(b'"k"', b'"<secret>"'),
    GOOD.replace(b'"k"', b'"prod:<secret>"'),
    GOOD.replace(b'"e"', b'"ta<secret>"'),
])  # fmt: skip
def test_one_whose_id_was_scrubbed_is_not_put_back_under_another(redacted: bytes) -> None:
    with pytest.raises(NotReadableError, match="secret"):
        letters.to_event(redacted)


@pytest.mark.parametrize("record", [
    b'{"key_id": "k", "daily_budget_usd": -1}',
    b'{"provider": "p", "key_id": "k", "window_start": "x", "window_end": 2, "observed_at": 3}',
    b'{"incident_id": "i", "key_id": "k", "verdict": "maybe", "by": "a", "at": 1}',
])  # fmt: skip
def test_a_control_record_is_told_that_it_is_none_of_those_that_are_put_back(record: bytes) -> None:
    with pytest.raises(NotReadableError, match="no usage event") as problem:
        letters.to_event(record)
    assert "event_id" not in str(problem.value)


def test_an_event_without_an_id_is_told_so() -> None:
    with pytest.raises(NotReadableError, match="event_id is missing"):
        letters.to_event(GOOD.replace(b"event_id", b"id"))


def test_only_large_payloads_are_read_from_the_log_again(filled: Store) -> None:
    left = [row for row in letters.find(filled) if letters.is_left_in_the_log(row)]
    assert places(left) == ["usage-events/3/3/1"]
