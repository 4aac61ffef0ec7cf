"""A key leaks amid real traffic: one page, one click, one webhook, one outcome."""

import asyncio
import time
from pathlib import Path

import pytest

from pipeline.config import Kafka, Serve
from pipeline.demo.fleet import batches
from pipeline.demo.stand_ins import ENGINEER, StandIns, stand_ins
from pipeline.store import Store
from pipeline.workers.producing import EventLog
from schemas.usage_event import UsageEvent
from tests.support.azure_traffic import honest
from tests.support.dumps import dump_store, dump_topics, found_in
from tests.support.events import thief
from tests.support.installation import Installation, clickhouse

KEY = "azure-0"
TABLES = ("usage_events", "actions", "action_results", "verdicts", "dead_letters")


@pytest.mark.kafka
async def test_a_leak_ends_in_one_page_one_click_one_webhook_and_one_outcome(
    topics: Kafka, tmp_path: Path
) -> None:
    now = time.time()
    history, stolen = honest(now - 900), thief(now - 800, key_id=KEY)
    with clickhouse(tmp_path / "clickhouse") as address:
        async with stand_ins() as others:
            config = others.config(tmp_path, 0, topics)
            config = config.model_copy(update={"store": address, "serve": Serve(port=0)})
            with Installation(config, tmp_path) as here:
                await asyncio.to_thread(here.run, "init")
                url = await asyncio.to_thread(here.serve)
                here.start("run")
                await _feed(topics, history, 500)
                await _feed(topics, stolen, 10)
                await here.until(lambda: _paged(others), wanted=True)
                message = others.page_about(KEY)
                assert message is not None
                where = f"{url}/v1/slack/interactions"
                assert await others.slack.click(message, "revoke", ENGINEER, where) == 200
                with Store.open(address) as store:
                    everything = [len(history) + len(stolen), 1, 1, 1, 0]
                    await here.until(lambda: _rows(store), everything)
                    await here.until(lambda: _settled(others), wanted=True)
                    await asyncio.to_thread(here.stop)
                    await _assert_one_of_each(others, store)
                    dump = [*dump_store(store), *await dump_topics(topics)]
            dump.append(("the processes", here.said().encode()))
            assert found_in(dump, _secrets(others)) == set()


async def _feed(topics: Kafka, events: list[UsageEvent], size: int) -> None:
    async with EventLog(topics) as log:
        for batch in batches(events, size):
            await log.send_packed(batch)


async def _paged(others: StandIns) -> bool:
    return others.page_about(KEY) is not None


async def _settled(others: StandIns) -> bool:
    """The message has lost its button: notify has heard that the key is dead."""
    return others.page_about(KEY) is None


async def _rows(store: Store) -> list[int]:
    questions = [f"SELECT count() FROM v_{table}" for table in TABLES]  # noqa: S608 - our own names
    return [(await asyncio.to_thread(store.query, each)).rows[0][0] for each in questions]


async def _assert_one_of_each(others: StandIns, store: Store) -> None:
    (page,) = others.slack.pages
    assert KEY in str(page.body)
    ((message_id, sent),) = others.gateway.received
    assert (sent["type"], sent["data"]["key_id"]) == ("key.revoke", KEY)
    assert others.gateway.effective == {message_id: 1}
    assert others.gateway.revoked == {KEY}
    assert others.slack.rejected == others.gateway.rejected == []
    ((status, http_status, action_id),) = store.query(
        "SELECT status, http_status, action_id FROM v_action_results"
    ).rows
    assert (status, http_status, action_id) == ("verified", 200, message_id)
    pages = store.query("SELECT key_id, cause FROM v_incidents WHERE severity = 'page'").rows
    assert [tuple(row) for row in pages] == [(KEY, "leaked")]


def _secrets(others: StandIns) -> list[str]:
    slack = others.slack
    of_clicks = ["verification-token", "trigger-secret", "/response/secret"]
    return [slack.token, slack.app_token, slack.signing_secret, others.gateway.secret, *of_clicks]
