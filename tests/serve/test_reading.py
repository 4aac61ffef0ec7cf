from datetime import UTC, datetime

import pytest

from pipeline.config import Config
from pipeline.serve.app import build_app
from pipeline.serve.ports import ReaderUnavailable
from pipeline.serve.reading import StoreReader
from pipeline.store import LaterStore, Store, rows
from schemas.action import Action, ActionResult
from schemas.spend_window import SpendWindow
from schemas.verdict import Verdict
from tests.serve.test_console import AT, incident
from tests.support.clickhouse_front import Front
from tests.support.serving import MemoryLog, serving

OPENED = datetime.fromtimestamp(AT, UTC)


def test_the_latest_revisions_come_back_as_they_went_in(store: Store) -> None:
    first, second = incident(), incident("inc-2")
    second.opened_at = OPENED.replace(hour=23)
    older = incident()
    older.revision, older.spend_usd = 1, 3.0
    store.insert(rows.INCIDENTS, [first, older, second])
    reader = StoreReader(store)
    assert reader.incidents(10) == [second, first]
    assert reader.incidents(1) == [second]
    assert reader.incident("inc-1") == first
    assert reader.incident("inc-3") is None


@pytest.mark.parametrize(
    "broken", ["signals = '[{\"score\":erased.25}]'", "status = 'gone'", "signals = '[{}]'"]
)
async def test_a_row_that_cannot_be_read_hides_no_other(
    store: Store, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    store.insert(rows.INCIDENTS, [incident(), incident("inc-2")])
    store.change(
        f"ALTER TABLE incidents UPDATE {broken} WHERE incident_id = 'inc-2'"
        " SETTINGS mutations_sync = 1"
    )
    reader = StoreReader(store)
    assert reader.incidents(10) == reader.revisions("key-1") == [incident()]
    assert "cannot be read: incident inc-2: " in caplog.text
    async with serving(build_app(Config(), MemoryLog(), reader)) as client:
        for path, status in (("/", 200), ("/incidents/inc-1", 200), ("/incidents/inc-2", 404)):
            async with client.get(path) as answer:
                assert answer.status == status
                assert ("cannot be read" in await answer.text()) == (status == 404)


def test_spend_of_one_key_by_minute(store: Store) -> None:
    windows = [
        SpendWindow(
            key_id=key,
            granularity=granularity,
            window_start=AT // 60 * 60 + minute * 60,
            spend_usd=0.5 + minute,
            requests=1,
            errors=0,
            input_tokens=1,
            output_tokens=1,
            distinct_sources=1,
            version=1,
        )
        for key in ("key-1", "key-2")
        for granularity in ("1m", "1h")
        for minute in (1, 0, 5)
    ]
    store.insert(rows.SPEND_WINDOWS, windows)
    start = AT // 60 * 60
    assert StoreReader(store).spend("key-1", AT, AT + 120) == [(start, 0.5), (start + 60, 1.5)]


def test_verdicts_and_actions_with_their_results(store: Store) -> None:
    verdict = Verdict(
        incident_id="inc-1", key_id="k", verdict="snooze", until=AT + 5, by="a", at=AT
    )
    action = Action(
        action_id="a",
        incident_id="inc-1",
        key_id="k",
        kind="revoke",
        requested_by="b",
        requested_at=AT,
    )
    results = [
        ActionResult(action_id="a", attempt=1, status="done", http_status=200, at=AT),
        ActionResult(action_id="a", attempt=1, status="verified", at=AT + 1, detail="401"),
    ]
    store.insert(rows.VERDICTS, [verdict])
    store.insert(rows.ACTIONS, [action])
    store.insert(rows.ACTION_RESULTS, results)
    reader = StoreReader(store)
    assert reader.verdicts("inc-1") == [verdict]
    assert reader.actions("inc-1") == [(action, results)]
    assert reader.actions("inc-2") == []


def test_a_store_that_cannot_answer(store: Store) -> None:
    store._client.command("RENAME TABLE verdicts TO away")
    try:
        with pytest.raises(ReaderUnavailable):
            StoreReader(store).verdicts("inc-1")
    finally:
        store._client.command("RENAME TABLE away TO verdicts")


def test_a_store_that_comes_later(front: Front, faulty_store: Store) -> None:
    port = front.port
    front.refuse()
    reader = StoreReader(LaterStore(faulty_store._config))
    with pytest.raises(ReaderUnavailable):
        reader.incidents(10)
    front.start(port)
    assert reader.incidents(10) == []
