"""What the store reads for an answer: months and keys that were not asked for are left alone."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from pipeline.serve.reading import StoreReader
from pipeline.store import Rows, Store, events
from pipeline.store.events import stored_events
from pipeline.store.history import event_lines, history_lines
from pipeline.store.questions import Question, bind, list_questions, run_question
from pipeline.store.rows import USAGE_EVENTS
from tests.store.records import AT, AT_SECONDS, usage
from tests.store.test_client import accepted, packed

KEYS, EVENTS = 50, 180_000
FILL = """
INSERT INTO usage_events (event_id, occurred_at, key_id, cost_usd, priced, client_ip, precedence)
SELECT
    toString(number),
    toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + toIntervalMinute(number % (90 * 1440)),
    concat('key-', leftPad(toString(number % {keys:UInt32}), 2, '0')),
    1, true, '192.0.2.1', number
FROM numbers({events:UInt32})
"""
"""90 days, which lie in three months."""
INCIDENT_COUNT = 50_000
FILL_INCIDENTS = """
INSERT INTO incidents
    (incident_id, revision, key_id, status, severity, cause, opened_at, detected_at, signals)
SELECT
    concat('inc-', leftPad(toString(number), 6, '0')), 1, concat('key-', toString(number)),
    if(number + 10 < {incidents:UInt32}, 'resolved', 'open'), 'page', 'leaked',
    toDateTime64({start:UInt32} + 60 * number, 6, 'UTC') AS at, at, '[]'
FROM numbers({incidents:UInt32})
"""
Asked = list[tuple[str, Mapping[str, Any]]]


def fill(store: Store) -> Store:
    store.change(FILL, {"keys": KEYS, "events": EVENTS})
    return store


@pytest.fixture
def three_months(store: Store) -> Store:
    return fill(store)


@pytest.fixture
def asked(three_months: Store, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return spied(three_months, monkeypatch)


def spied(store: Store, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Every query to the store, from now on."""
    found: Asked = []

    def spy(sql: str, params: Mapping[str, Any] | None = None) -> Rows:
        found.append((sql, params or {}))
        return Store.query(store, sql, params)

    for name in ("query", "read"):
        monkeypatch.setattr(store, name, spy)
    return found


@pytest.fixture
def asked_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each query to the store brought."""
    found: list[int] = []
    query = store.query

    def spy(sql: str, params: Mapping[str, Any] | None = None) -> Rows:
        rows = query(sql, params)
        found.append(len(rows.rows))
        return rows

    monkeypatch.setattr(store, "query", spy)
    return found


def read_share(explained: Iterable[tuple[Any, ...]]) -> float:
    """Of the rows of a table the share that the engine means to read, by its own account."""
    granules = [re.search(r"Granules: (\d+)/(\d+)", line) for (line,) in explained]
    found = [(int(each[1]), int(each[2])) for each in granules if each]
    return found[-1][0] / found[0][1]


def shares(store: Store, asked: Asked) -> list[float]:
    return [
        read_share(Store.query(store, f"EXPLAIN indexes = 1 {sql}", params).rows)
        for sql, params in list(asked)
    ]


def test_the_history_of_a_key_is_looked_up(three_months: Store, asked: Asked) -> None:
    assert len(list(event_lines(three_months, "key-07"))) == EVENTS / KEYS
    assert len(asked) == 2
    assert max(shares(three_months, asked)) < 0.3


def test_a_history_is_the_same_however_it_is_fetched(
    three_months: Store, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(event_lines(three_months, "key-07"))
    monkeypatch.setattr(events, "PAGE_ROWS", 500)
    assert list(event_lines(three_months, "key-07")) == whole
    assert len(asked) > 8


def test_no_more_than_a_page_of_a_busy_hour_is_held(
    store: Store, asked_rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where a page ends in the midst of a moment."""
    sent = [usage(n, occurred_at=AT_SECONDS + n // 7, key_id="key") for n in range(100)]
    store.insert(USAGE_EVENTS, packed([accepted(each) for each in sent]))
    monkeypatch.setattr(events, "PAGE_ROWS", 10)
    found = [msgspec.json.decode(line)["event_id"] for line in event_lines(store, "key")]
    assert max(asked_rows) == 10
    sent.sort(key=lambda each: (each.occurred_at, each.event_id))
    assert found == [each.event_id for each in sent]


def test_a_sample_is_of_whole_keys(three_months: Store) -> None:
    found = Counter(msgspec.json.decode(line)["key_id"] for line in history_lines(three_months, 5))
    assert 2 <= len(found) <= KEYS / 2
    assert set(found.values()) == {EVENTS / KEYS}


@pytest.mark.parametrize(
    "question",
    [q for q in list_questions() if re.search("v_usage_events.*\nWHERE .*occurred_at >=", q.sql)],
    ids=lambda question: question.name,
)
def test_a_question_reads_the_months_that_it_is_about(any_store: Store, question: Question) -> None:
    fill(any_store)
    asked = bind(
        question, {"since": "2026-03-05"} | ({"key": "k"} if "{key:" in question.sql else {})
    )
    explained = any_store.read(f"EXPLAIN indexes = 1 {question.sql}", asked)
    assert read_share(explained.rows) < 0.5


def test_a_history_of_all_keys_reads_each_once(
    three_months: Store, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And has them by time, also where memory does not hold all of them."""
    monkeypatch.setattr("pipeline.store.history.RUN_LINES", EVENTS // 4)
    found = [msgspec.json.decode(line) for line in history_lines(three_months)]
    places = [(each["occurred_at"], each["key_id"], each["event_id"]) for each in found]
    assert len({event_id for *_, event_id in places}) == len(places) == EVENTS
    assert places == sorted(places)
    assert max(shares(three_months, asked)[1:]) < 0.5


NEWEST = AT.replace(microsecond=0) + timedelta(minutes=INCIDENT_COUNT - 10)


@pytest.mark.parametrize(
    ("ask", "found"),
    [
        (lambda store: StoreReader(store).incidents(10), 10),
        (lambda store: StoreReader(store).revisions("key-40000"), 1),
        (lambda store: run_question(store, "incidents-open", {}).rows, 10),
        (lambda store: run_question(store, "pages", {"since": NEWEST.isoformat()}).rows, 10),
    ],
    ids=["the newest", "of a key", "incidents-open", "pages"],
)
def test_incidents_that_are_not_asked_for_are_not_parsed(
    store: Store, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Store], list[Any]], found: int
) -> None:
    """What people are told of it is most of an incident: it is read of those alone."""
    store.change(FILL_INCIDENTS, {"incidents": INCIDENT_COUNT, "start": int(AT_SECONDS)})
    asked = spied(store, monkeypatch)
    assert len(ask(store)) == found
    ((sql, params),) = asked
    plan = "\n".join(
        line for (line,) in Store.query(store, f"EXPLAIN indexes = 1 {sql}", params).rows
    )
    (reading,) = [each for each in plan.split("ReadFromMergeTree")[1:] if "signals" in each]
    assert read_share((line,) for line in reading.splitlines()) < 0.3


def test_the_incidents_of_a_key_are_looked_up(store: Store) -> None:
    store.change(FILL_INCIDENTS, {"incidents": INCIDENT_COUNT, "start": int(AT_SECONDS)})
    sql = "SELECT incident_id FROM v_incident_revisions WHERE key_id = 'key-40000'"
    # one of six parts, and its neighbours, which may have other revisions of the same
    assert read_share(store.query(f"EXPLAIN indexes = 1 {sql}").rows) == 0.5


def test_a_rebuild_reads_each_key_once(three_months: Store, asked: Asked) -> None:
    found = [event for event, *_ in stored_events(three_months, 0.0)]
    assert len({event.event_id for event in found}) == len(found) == EVENTS
    assert max(shares(three_months, asked)[1:]) < 0.5
    assert [event.key_id for event in found] == sorted(event.key_id for event in found)


@pytest.mark.parametrize("page_rows", [1, 700, 3600, 20_000])
def test_a_rebuild_is_given_the_order_of_the_log(
    store: Store, monkeypatch: pytest.MonkeyPatch, page_rows: int
) -> None:
    monkeypatch.setattr(events, "PAGE_ROWS", page_rows)
    sent = [usage(number, occurred_at=AT_SECONDS - number) for number in range(40)]
    store.insert(USAGE_EVENTS, [u for n, e in enumerate(sent) for u in packed([accepted(e)], n)])
    found = list(stored_events(store, AT_SECONDS - 30))
    expected = [(n, e.event_id) for n, e in enumerate(sent) if n <= 30]
    expected.sort(key=lambda each: (sent[each[0]].key_id, each[0]))
    assert [(offset, event.event_id) for event, offset, _ in found] == expected


@pytest.mark.parametrize("since", ["2026-03-01", "2026-03-29T01:30:01Z"])
def test_an_event_that_came_again_counts_once_from_any_time_on(
    any_store: Store, since: str
) -> None:
    first, again = (usage(1, key_id="a", cost_usd=usd) for usd in (1.0, 2.0))
    later = usage(1, key_id="a", cost_usd=3.0, occurred_at=AT_SECONDS + 86_400)
    for offset, event in enumerate([first, again, later]):
        any_store.insert(USAGE_EVENTS, packed([accepted(event)], offset))
    (found,) = run_question(any_store, "spend-by-key", {"since": since}).dicts()
    assert (found["requests"], found["spend_usd"]) == (1, 1)
