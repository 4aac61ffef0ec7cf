"""What docs/security.md says about erasing somebody is true of every table."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.store import Store
from pipeline.store.migrate import split_statements
from pipeline.store.rows import DEAD_LETTERS, USAGE_EVENTS
from tests.store.records import DEAD, RECORDS, SIGNAL, TABLES, usage
from tests.store.test_client import SOURCE, accepted, packed

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
OF_KEY, OF_PERSON = map(split_statements, re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL))
SHORTER = re.search(r"`(ALTER TABLE usage_events MODIFY TTL[^`]+)`", PAGE)


def fill(store: Store, name: str) -> None:
    """A row of every table that names somebody wherever it can."""
    fields: dict[str, dict[str, Any]] = {
        "usage_events": {},
        "spend_windows": {},
        "provider_usage": {"provider_key_id": name},
        "incidents": {"signals": [replace(SIGNAL, summary=f"from {name}", evidence={"ip": name})]},
        "verdicts": {"by": name, "note": f"{name} said so"},
        "actions": {"requested_by": name},
        "action_results": {"detail": f"asked for by {name}"},
        "dead_letters": {
            "detail": name,
            "payload": base64.b64encode(f'{{"end_user": "{name}"}}'.encode()).decode(),
        },
    }
    assert fields.keys() == {table.name for table in TABLES}
    for _, table, record in RECORDS:
        own: dict[str, Any] = (
            {"key_id": name} if table is not DEAD_LETTERS else {"offset": len(name)}
        )
        store.insert(table, [replace(record, **(own | fields[table.name]))])
    event = usage(1, key_id=name, event_id=name, end_user=name, client_ip="192.0.2.1")
    store.insert(USAGE_EVENTS, packed([accepted(event, source=SOURCE)]))


def holding(store: Store, name: str) -> set[str]:
    """Tables with a row that names somebody."""
    found = set()
    for table in TABLES:
        for row in store.query(f"SELECT * FROM {table.name}").dicts():  # noqa: S608 - our own names
            if table is DEAD_LETTERS:
                row["payload"] = base64.b64decode(row["payload"])
            if name in str(row):
                found.add(table.name)
    return found


def erase(store: Store, statements: list[str], name: str) -> None:
    for statement in statements:
        store.change(statement + " SETTINGS mutations_sync = 1", {"name": name})


def test_a_key_is_erased_from_every_table(any_store: Store) -> None:
    for name in ("of-someone", "of-another"):
        fill(any_store, name)
    assert holding(any_store, "of-someone") == {table.name for table in TABLES}
    erase(any_store, OF_KEY, "of-someone")
    assert holding(any_store, "of-someone") == set()
    assert holding(any_store, "of-another") == {table.name for table in TABLES}


@pytest.mark.parametrize("name", ["somebody", "slack:U123", "192.0.2.7"])
def test_a_person_is_erased_and_what_was_spent_stays(store: Store, name: str) -> None:
    other = accepted(usage(2, key_id="k", end_user="another", user_agent="x"), source=SOURCE)
    store.insert(USAGE_EVENTS, [other])
    fill(store, "k")
    person = accepted(usage(3, key_id="k", end_user=name), source=replace(SOURCE, ip=name))
    store.insert(USAGE_EVENTS, [person])
    for _, table, record in RECORDS:
        changes: dict[str, dict[str, Any]] = {
            "incidents": {"signals": [replace(SIGNAL, evidence={"ip": name})], "revision": 9},
            "verdicts": {"by": name},
            "actions": {"requested_by": name, "action_id": "another"},
            "action_results": {"detail": f"{name} asked", "attempt": 9},
            "dead_letters": {"payload": base64.b64encode(name.encode()).decode(), "index": 9},
        }
        store.insert(table, [replace(record, **changes.get(table.name, {}))])
    store.insert(DEAD_LETTERS, [replace(DEAD, index=10)])
    before = store.query("SELECT count(), sum(cost_usd) FROM v_usage_events").rows
    assert len(holding(store, name)) == 6
    erase(store, OF_PERSON, name)
    assert holding(store, name) == set()
    assert store.query("SELECT count(), sum(cost_usd) FROM v_usage_events").rows == before
    assert "usage_events" in holding(store, "another")
    assert store.query("SELECT count() FROM v_dead_letters").rows == [(2,)]


def test_the_retention_can_be_shortened(store: Store) -> None:
    assert SHORTER is not None
    store.change(SHORTER[1].replace("\n", " "))
    made = store.query("SHOW CREATE TABLE usage_events").rows[0][0]
    assert "toIntervalMonth(3)" in made
    store.change("ALTER TABLE usage_events MODIFY TTL toDateTime(stored_at) + INTERVAL 13 MONTH")
