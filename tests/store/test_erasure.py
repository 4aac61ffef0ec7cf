"""What docs/security.md says about showing and erasing what is held of somebody is true."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from msgspec.structs import replace

from pipeline.intake import native
from pipeline.intake.batch import dead_letters
from pipeline.serve.reading import StoreReader
from pipeline.store import Store
from pipeline.store.migrate import split_statements
from pipeline.store.rows import DEAD_LETTERS, INCIDENTS, USAGE_EVENTS
from tests.store.records import AT_SECONDS, DEAD, INCIDENT, RECORDS, SIGNAL, TABLES, usage
from tests.store.test_client import SOURCE, accepted

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
KEY_SHOWN, PERSON_SHOWN, KEY_ERASED, PERSON_ERASED, FORGOTTEN = map(
    split_statements, re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
)
SHORTER = re.search(r"`(ALTER TABLE usage_events MODIFY TTL[^`]+)`", PAGE)
ALL = {table.name for table in TABLES}
OF_PEOPLE = ALL - {"spend_windows", "provider_usage"}
NAMES = ["somebody", "slack:U123", "192.0.2.1", "2001:db8::1", "4", "jürgen.müller@example.com"]

_SOON = "cleanup_delay_period = 1, cleanup_delay_period_random_add = 0"

Dump = dict[str, set[str]]


def payload(**fields: object) -> str:
    return base64.b64encode(json.dumps(fields).encode()).decode()


def fill_for_key(store: Store, name: str) -> None:
    """A row of every table that is about a key."""
    for number, (_, table, record) in enumerate(RECORDS):
        if table is DEAD_LETTERS:
            letter = {"offset": crc32(name.encode()), "payload": payload(key_id=name)}
            store.insert(table, [replace(record, **letter)])
        else:
            store.insert(
                table, [replace(record, key_id=name, **{_ID[table.name]: f"{name}{number}"})]
            )
    store.insert(USAGE_EVENTS, [accepted(usage(1, key_id=name, event_id=name), source=SOURCE)])


_ID = {
    "incidents": "incident_id",
    "spend_windows": "granularity",
    "provider_usage": "provider_key_id",
    "verdicts": "incident_id",
    "actions": "action_id",
    "action_results": "action_id",
}


def fill_for_person(store: Store, name: str) -> None:
    """Rows that name somebody, of every table and in every way."""
    fields: dict[str, list[dict[str, Any]]] = {
        "incidents": [
            {"signals": [replace(SIGNAL, evidence={"ip": name, "usual": ["x", name]})]},
            {"team": name, "revision": 3},
        ],
        "verdicts": [{"by": name}, {"by": "x", "note": f"Ask {name}. Or ({name})"}],
        "actions": [{"requested_by": name}],
        "action_results": [{"detail": f"asked for by {name}"}],
        "dead_letters": [
            {"payload": payload(end_user=name)},
            {"payload": payload(client_ip=f"10.0.0.1, {name}"), "index": 8},
            {"payload": payload(tags=["x", name]), "index": 9},
        ],
    }
    for _, table, record in RECORDS:
        for number, each in enumerate(fields.get(table.name, ())):
            own = (
                {"offset": crc32(name.encode())}
                if table is DEAD_LETTERS
                else {_ID[table.name]: f"{crc32(name.encode())}-{number}"}
            )
            store.insert(table, [replace(record, **(own | each))])
    ways: list[dict[str, Any]] = [
        *({field: name} for field in ("end_user", "user_agent", "origin", "team", "error_type")),
        {"tags": ["x", name]},
    ]
    events = [
        usage(
            number,
            event_id=f"{crc32(name.encode())}-{number}",
            key_id="k",
            **({"end_user": "x"} | way),
        )
        for number, way in enumerate(ways)
    ]
    at_home = [accepted(event, source=SOURCE) for event in events]
    from_address = accepted(
        replace(events[0], event_id=f"{crc32(name.encode())}-from", end_user="y"),
        source=replace(SOURCE, ip=name),
    )
    store.insert(USAGE_EVENTS, [*at_home, from_address])


def dump(store: Store) -> Dump:
    """Every row of every table."""
    return {
        table: {str(row) for row in store.query(f"SELECT * FROM {table}").rows}  # noqa: S608 - ours
        for table in ALL
    }


def shown(store: Store, statements: list[str], name: str) -> set[str]:
    """The tables from which something is shown of somebody."""
    tables = [re.search(r"FROM (\w+)", each) for each in statements]
    return {
        table[1]
        for table, each in zip(tables, statements, strict=True)
        if table and store.read(each, {"name": name}).rows
    }


def erase(store: Store, statements: list[str], name: str) -> None:
    for statement in statements:
        store.change(statement + " SETTINGS mutations_sync = 1", {"name": name})


def neighbours(name: str) -> list[str]:
    """Names that are not this one, though they have it in them."""
    return [f"{name}0", f"1{name}", f"{name}.25"]


@pytest.mark.parametrize("name", ["of-someone", "4", "jürgen"])
def test_a_key_is_erased_from_every_table(any_store: Store, name: str) -> None:
    for other in neighbours(name):
        fill_for_key(any_store, other)
    before = dump(any_store)
    fill_for_key(any_store, name)
    assert shown(any_store, KEY_SHOWN, name) == ALL
    erase(any_store, KEY_ERASED, name)
    assert shown(any_store, KEY_SHOWN, name) == set()
    assert dump(any_store) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_person_is_erased_and_what_was_spent_stays(store: Store, name: str) -> None:
    for other in neighbours(name):
        fill_for_person(store, other)
    store.insert(INCIDENTS, [INCIDENT])
    others = dump(store)
    spent = "SELECT count(), sum(cost_usd), sum(input_tokens) FROM v_usage_events"
    fill_for_person(store, name)
    before = store.query(spent).rows
    assert shown(store, PERSON_SHOWN, name) == OF_PEOPLE
    erase(store, PERSON_ERASED, name)
    assert shown(store, PERSON_SHOWN, name) == set()
    assert store.query(spent).rows == before
    after = dump(store)
    assert {table for table in ALL if not others[table] <= after[table]} == set()
    # Nothing that was changed has the name anywhere; a lone 4 is in every number.
    changed = [row for table in ALL for row in after[table] - others[table]]
    assert changed
    assert not [row for row in changed if name in row and name != "4"]
    assert len(StoreReader(store).incidents(100)) == 1 + 2 * (1 + len(neighbours(name)))


@pytest.mark.parametrize("statements", [KEY_ERASED, PERSON_ERASED], ids=["key", "person"])
def test_nobody_is_erased_without_a_name(store: Store, statements: list[str]) -> None:
    fill_for_person(store, "somebody")
    fill_for_key(store, "k")
    store.insert(DEAD_LETTERS, [DEAD])
    before = dump(store)
    erase(store, statements, "")
    assert dump(store) == before


@pytest.mark.parametrize("name", NAMES)
def test_what_the_intake_refused_is_erased_with_its_person(store: Store, name: str) -> None:
    for whose in (name, *neighbours(name)):
        body = {"event_id": "e", "occurred_at": "then", "key_id": "k", "end_user": whose}
        raw = json.dumps(body, ensure_ascii=False).encode()
        letters = dead_letters(native.parse(raw), "events", native.FIELDS, AT_SECONDS)
        store.insert(DEAD_LETTERS, letters)
    erase(store, PERSON_ERASED, name)
    left = store.query(
        "SELECT JSONExtractString(base64Decode(payload), 'end_user') FROM dead_letters"
    )
    assert sorted(row[0] for row in left.rows) == sorted(neighbours(name))


def test_no_list_keeps_who_was_erased(store: Store) -> None:
    name = "remembered@example.com"
    fill_for_person(store, name)
    erase(store, PERSON_ERASED, name)
    erase(store, KEY_ERASED, name)
    asked = "SELECT DISTINCT table FROM system.mutations WHERE command LIKE {name:String}"
    assert {row[0] for row in store.query(asked, {"name": f"%{name}%"}).rows} == ALL
    for statement in FORGOTTEN:
        store.change(statement)
    for table in ALL:
        # The engine looks for what it need not keep every half a minute or more: here at once.
        store.change(f"ALTER TABLE {table} MODIFY SETTING {_SOON}")
        store.change(f"DETACH TABLE {table}")
        store.change(f"ATTACH TABLE {table}")
    while store.query(asked, {"name": f"%{name}%"}).rows:
        time.sleep(0.1)
    for table in ALL:
        store.change(
            f"ALTER TABLE {table} RESET SETTING"
            " cleanup_delay_period, cleanup_delay_period_random_add"
        )


@pytest.mark.parametrize("table", sorted(ALL))
def test_the_retention_can_be_shortened(store: Store, table: str) -> None:
    assert SHORTER is not None
    made = f"SHOW CREATE TABLE {table}"
    before = re.search(r"\nTTL (.+)", store.query(made).rows[0][0])
    store.change(SHORTER[1].replace("\n", " ").replace("usage_events", table))
    assert "toIntervalMonth(3)" in store.query(made).rows[0][0]
    store.change(f"ALTER TABLE {table} " + (f"MODIFY TTL {before[1]}" if before else "REMOVE TTL"))
