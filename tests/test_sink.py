import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from pipeline.accept import Acceptor
from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.default_rules import default_rules
from pipeline.journal import Journal
from pipeline.message import Message
from pipeline.metrics import WORKER_METRICS
from pipeline.sink import SinkStage
from pipeline.store import Store, StoreRefused, StoreUnavailable
from pipeline.store.rows import Table
from schemas import topics
from schemas.redaction import public_key_id
from tests.store.records import AT_SECONDS, RECORDS, WINDOW, message, packed, usage
from tests.support.clickhouse_front import Front

SECONDS_MAX = 30.0
JOURNAL: Journal = None  # type: ignore[assignment]  # the sink publishes and remembers nothing


class Waits:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []
        self.between: Callable[[], None] = lambda: None
        """Called after each sleep."""

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        self.between()


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture(scope="module")
def acceptor() -> Acceptor:
    return default_rules(Config()).acceptor


@pytest.fixture
def make(acceptor: Acceptor, waits: Waits) -> Callable[..., SinkStage]:
    def make(store: Any, **more: Any) -> SinkStage:  # noqa: ANN401 - the options of a sink
        counts = more.pop("counts", None) or Metrics(WORKER_METRICS)
        return SinkStage(store, acceptor, counts, now=waits.now, sleep=waits.sleep, **more)

    return make


Make = Callable[..., SinkStage]


def total(store: Store) -> tuple[Any, ...]:
    return store.query("SELECT count(), sum(input_tokens) FROM v_usage_events").rows[0]


async def test_every_topic_ends_up_in_its_table(any_store: Store, make: Make) -> None:
    sink = make(any_store)
    await sink.handle(packed([usage(1), usage(2)]), JOURNAL)
    for topic, _, record in RECORDS:
        await sink.handle(message(topic, record), JOURNAL)
    assert sink.pending == 2 + len(RECORDS)
    await sink.flush()
    assert sink.pending == 0
    assert {topic.name for topic in sink.reads} == {
        "usage-events",
        "keys",
        *(topic.name for topic, _, _ in RECORDS),
    }
    for table in ("usage_events", *(table.name for _, table, _ in RECORDS)):
        count = any_store.query(f"SELECT count() FROM v_{table}").rows[0][0]  # noqa: S608 - ours
        assert count == (2 if table == "usage_events" else 1), table


async def test_the_sink_reads_what_says_that_the_sink_reads_it() -> None:
    named = {topic.name for topic in topics.TOPICS if "sink" in topic.read_by}
    assert {topic.name for topic in SinkStage.reads} == named


async def test_messages_that_come_again_change_nothing(any_store: Store, make: Make) -> None:
    events = [usage(number) for number in range(300)]
    once = [packed(events[start : start + 60], start) for start in range(0, 300, 60)]
    for batch_rows_max in (1000, 7):
        sink = make(any_store, batch_rows_max=batch_rows_max)
        for one in once:
            await sink.handle(one, JOURNAL)
            await sink.handle(message(topics.SPEND_WINDOWS, WINDOW), JOURNAL)
        await sink.flush()
    assert total(any_store) == (300, sum(range(300)))
    assert any_store.query("SELECT count() FROM v_spend_windows").rows == [(1,)]


async def test_control_records_and_refused_events_leave_no_row(store: Store, make: Make) -> None:
    sink = make(store)
    verdict = msgspec.json.encode(RECORDS[3][2])
    control = Message(
        "usage-events", 0, 1, verdict, AT_SECONDS, headers={topics.RECORD_HEADER: "verdict"}
    )
    await sink.handle(control, JOURNAL)
    await sink.handle(Message("usage-events", 0, 2, b"not json", AT_SECONDS), JOURNAL)
    assert sink.pending == 0


async def test_an_unreadable_record_becomes_a_dead_letter(store: Store, make: Make) -> None:
    sink = make(store)
    await sink.handle(message(topics.VERDICTS, b'{"by": "sk-proj-abcdefghijkl"', 9), JOURNAL)
    await sink.flush()
    rows = store.query(
        "SELECT topic, offset, reason, base64Decode(payload) AS raw FROM v_dead_letters"
    ).rows
    assert rows == [("verdicts", 9, "not_json", '{"by": "<secret>"')]


async def test_only_what_is_wrong_with_the_registry_is_kept(store: Store, make: Make) -> None:
    sink = make(store)
    entries = (
        b'{"key_id": "key-1"}',
        b'{"key_id": "key-1", "daily_budget_usd": -1, "api_key": "sk-proj-abcdefghijkl"}',
        b"",
        b"no entry",
    )
    for offset, raw in enumerate(entries):
        await sink.handle(Message("keys", 0, offset, raw, AT_SECONDS, b"key-1"), JOURNAL)
    await sink.handle(Message("keys", 0, len(entries), b"", AT_SECONDS), JOURNAL)  # withdraws what?
    await sink.flush()
    rows = store.query(
        "SELECT topic, offset, reason, base64Decode(payload) FROM v_dead_letters ORDER BY offset"
    ).rows
    assert rows == [
        ("keys", 1, "negative_number", '{"key_id": "key-1", "daily_budget_usd": -1}'),
        ("keys", 3, "not_json", "no entry"),
        ("keys", 4, "missing_field", ""),
    ]


@pytest.mark.parametrize("topic", [topics.VERDICTS, topics.PROVIDER_USAGE], ids=lambda t: t.name)
async def test_a_raw_key_of_others_is_stored_as_its_hash(
    store: Store, make: Make, topic: topics.Topic
) -> None:
    secret = "sk-proj-0123456789abcdefghij"
    (record,) = (each for at, _, each in RECORDS if at is topic)
    fields = msgspec.to_builtins(record) | {"key_id": secret}
    sink = make(store)
    await sink.handle(message(topic, msgspec.json.encode(fields)), JOURNAL)
    await sink.flush()
    question, view = "SELECT key_id FROM {view:Identifier}", f"v_{topic.name.replace('-', '_')}"
    assert store.query(question, {"view": view}).rows == [(public_key_id(secret),)]


async def test_a_full_buffer_is_written_and_never_grows_past_it(store: Store, make: Make) -> None:
    counts = Metrics(WORKER_METRICS)
    sink = make(store, batch_rows_max=10, counts=counts)
    for start in range(0, 40, 4):
        await sink.handle(packed([usage(start + n) for n in range(4)], start), JOURNAL)
        assert sink.pending < 10
    await sink.flush()
    assert total(store)[0] == 40
    assert 'leakline_rows_total{table="usage_events"} 40.0' in counts.render().decode()


async def test_a_message_larger_than_a_batch_goes_in_several_inserts(
    front: Front, faulty_store: Store, make: Make
) -> None:
    sink = make(faulty_store, batch_rows_max=10)
    front.statements.clear()
    await sink.handle(packed([usage(number) for number in range(25)]), JOURNAL)
    assert sink.pending == 0
    inserts = [line for line in front.statements if line.startswith("INSERT")]
    assert len(inserts) == 3
    assert total(faulty_store)[0] == 25


async def test_rows_wait_no_longer_than_they_may(store: Store, make: Make, waits: Waits) -> None:
    sink = make(store, batch_seconds=2.0)
    await sink.handle(packed([usage(1)]), JOURNAL)
    waits.at += 1
    await sink.handle(packed([usage(2)], 1), JOURNAL)
    waits.at += 0.5
    await sink.tick(1e12, JOURNAL)
    assert sink.pending == 2
    waits.at += 0.5
    await sink.tick(-1e12, JOURNAL)  # the time of day has no say in it
    assert sink.pending == 0


FAULTS = [
    ("error", {"code": 241}),
    ("error", {"code": 1002}),
    ("error_half", {"code": 1002}),
    ("error_after", {"code": 1002}),
    ("cut", {}),
    ("cut_after", {}),
]


@pytest.mark.parametrize(("kind", "more"), FAULTS)
async def test_a_fault_loses_nothing_and_doubles_nothing(
    front: Front, faulty_store: Store, make: Make, waits: Waits, kind: str, more: dict[str, Any]
) -> None:
    sink = make(faulty_store, batch_rows_max=50)
    # More often than the driver tries by itself.
    front.fail(kind, times=4, **more)
    for start in range(0, 200, 20):
        events = [usage(start + n) for n in range(20)]
        await sink.handle(packed(events, start), JOURNAL)
    await sink.flush()
    assert sink.pending == 0
    assert waits.slept
    assert not front.faults
    assert total(faulty_store) == (200, sum(range(200)))


async def test_half_an_insert_is_made_whole(front: Front, faulty_store: Store, make: Make) -> None:
    sink = make(faulty_store, patience_seconds=1.0)
    await sink.handle(packed([usage(number) for number in range(10)]), JOURNAL)
    front.fail("error_half", times=100)
    with pytest.raises(StoreUnavailable):
        await sink.flush()
    assert total(faulty_store)[0] == 5
    front.faults.clear()
    await sink.flush()
    assert total(faulty_store) == (10, sum(range(10)))


async def test_an_outage_holds_messages_back_until_it_ends(
    front: Front, faulty_store: Store, make: Make, waits: Waits
) -> None:
    sink = make(faulty_store, batch_rows_max=5)
    port = front.port
    front.refuse()

    def repair() -> None:
        assert sink.pending == 5
        if len(waits.slept) == 8:
            front.start(port)

    waits.between = repair
    await sink.handle(packed([usage(number) for number in range(5)]), JOURNAL)
    assert waits.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0]
    assert total(faulty_store)[0] == 5


async def test_patience_runs_out_and_the_rows_are_still_pending(
    front: Front, faulty_store: Store, make: Make
) -> None:
    sink = make(faulty_store, patience_seconds=1.0)
    await sink.handle(packed([usage(1)]), JOURNAL)
    front.fail("error", times=100, code=241)
    with pytest.raises(StoreUnavailable):
        await sink.flush()
    assert sink.pending == 1
    front.faults.clear()
    await sink.flush()
    assert total(faulty_store)[0] == 1


async def test_a_refusal_ends_the_sink_at_once(
    front: Front, faulty_store: Store, make: Make, waits: Waits
) -> None:
    sink = make(faulty_store)
    await sink.handle(packed([usage(1)]), JOURNAL)
    front.fail("error", times=100, code=60)
    with pytest.raises(StoreRefused):
        await sink.flush()
    assert not waits.slept
    assert sink.pending == 1


class Held:
    """A store whose inserts begin, and wait until they may go on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.begun = threading.Event()
        self.free = threading.Event()

    def insert(self, table: Table[Any], records: Sequence[Any]) -> None:
        self.begun.set()
        self.free.wait(SECONDS_MAX)
        self._store.insert(table, records)


async def test_what_is_handled_while_the_store_is_slow_is_not_lost(
    store: Store, make: Make
) -> None:
    held = Held(store)
    sink = make(held)
    await sink.handle(packed([usage(1)]), JOURNAL)
    writing = asyncio.create_task(sink.flush())
    await asyncio.to_thread(held.begun.wait, SECONDS_MAX)
    await sink.handle(packed([usage(2)], 1), JOURNAL)
    held.free.set()
    await writing
    assert sink.pending == 1
    await sink.flush()
    assert total(store)[0] == 2


async def test_a_cancelled_flush_can_be_made_good(store: Store, make: Make) -> None:
    held = Held(store)
    sink = make(held)
    await sink.handle(packed([usage(1)]), JOURNAL)
    writing = asyncio.create_task(sink.flush())
    await asyncio.to_thread(held.begun.wait, SECONDS_MAX)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert sink.pending == 1
    held.free.set()
    await sink.flush()
    assert total(store)[0] == 1
