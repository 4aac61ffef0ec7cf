"""The whole pipeline on Kafka, Faust workers as processes: one page, one click, one dead key."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.config import Store as StoreConfig
from pipeline.demo.streaming import run_streaming_demo
from pipeline.store import Store
from tests.support.kafka import Broker


@pytest.mark.kafka
async def test_a_theft_on_the_stream_ends_in_one_page_and_one_dead_key(
    kafka: Broker, tmp_path: Path
) -> None:
    output = io.StringIO()
    folder = tmp_path / "store"
    await run_streaming_demo(Console(file=output, width=100), folder, kafka.bootstrap)
    shown = output.getvalue()
    assert shown.count("[ Revoke ]") == 1
    assert "interactions answers 200" in shown
    assert "the gateway now refuses" in shown
    with Store.open(StoreConfig(path=folder)) as store:
        rows = {
            table: store.query(f"SELECT count() FROM v_{table}").rows[0][0]  # noqa: S608 - ours
            for table in ("actions", "action_results", "verdicts", "dead_letters")
        }
        pages = store.query("SELECT cause FROM v_incidents WHERE severity = 'page'").rows
    assert rows == {"actions": 1, "action_results": 1, "verdicts": 1, "dead_letters": 0}
    assert pages == [("leaked",)]
