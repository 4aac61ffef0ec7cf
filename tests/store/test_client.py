import json
import math
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from pipeline.accept import Use
from pipeline.config import Store as StoreConfig
from pipeline.enrich.kinds import Kind
from pipeline.enrich.sources import Source
from pipeline.message import Message
from pipeline.store import Store, StoreRefused, StoreUnavailable, check_store
from pipeline.store.rows import (
    ACTION_RESULTS,
    ACTIONS,
    DEAD_LETTERS,
    INCIDENTS,
    SPEND_WINDOWS,
    USAGE_EVENTS,
    VERDICTS,
    Table,
)
from schemas.usage_event import UsageEvent
from tests.store.records import (
    ACTION,
    AT,
    AT_SECONDS,
    DEAD,
    INCIDENT,
    RECORDS,
    RESULT,
    TABLES,
    VERDICT,
    WINDOW,
    usage,
)
from tests.support.clickhouse_front import Front
from tests.support.fixtures_store import Server

SOURCE = Source(
    ip="203.0.113.9",
    prefix="203.0.113.0/24",
    country="DE",
    asn=64500,
    network="Example AS",
    kind="hosting",
    digest=1,
)


def accepted(event: UsageEvent, *, priced: bool = True, source: Source | None = None) -> Use:
    use = Use(
        at=float(event.occurred_at),  # type: ignore[arg-type]  # the records use numbers
        digest=0,
        kind=Kind(token="", source=source, failed=False, lost=False, priced=priced),
        nanos=round((event.cost_usd or 0) * 1e9),
        input_tokens=event.input_tokens,
        output_tokens=event.output_tokens,
        user=None,
        message=Message("usage-events", 0, 0, b"", 0.0),
        index=0,
        cached_tokens=0,
    )
    use.event = event
    return use


def packed(uses: list[Use], offset: int = 0) -> list[Use]:
    """As if one message had brought them."""
    for index, use in enumerate(uses):
        use.message, use.index = replace(use.message, offset=offset), index
    return uses


def only(store: Store, sql: str) -> object:
    rows = store.query(sql).rows
    assert len(rows) == 1
    return rows[0][0] if len(rows[0]) == 1 else rows[0]


@pytest.mark.parametrize(("table", "record"), [(table, record) for _, table, record in RECORDS])
def test_a_record_comes_back_as_it_went_in(
    any_store: Store, table: Table[Any], record: msgspec.Struct
) -> None:
    any_store.insert(table, [record])
    row = any_store.query(f"SELECT * FROM v_{table.name}").dicts()[0]  # noqa: S608 - our own name
    for name in ("spend_usd", "cost_usd"):
        if name in row:
            row[name] = float(row[name])
    if "signals" in row:
        row["signals"] = msgspec.json.decode(row["signals"])
    assert msgspec.convert(row, type(record)) == record


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_of_a_table_has_a_value_or_a_default(store: Store, table: Table[Any]) -> None:
    described = store.query(f"DESCRIBE TABLE {table.name}").dicts()
    without = {row["name"] for row in described if row["default_type"] == ""}
    assert without - set(table.columns) == set()


def test_a_usage_event_comes_back_with_its_enrichment(any_store: Store) -> None:
    event = UsageEvent(
        event_id="e1",
        occurred_at=AT_SECONDS,
        key_id="k1",
        source="litellm",
        provider="openai",
        model="gpt-4o",
        operation="chat",
        status=429,
        error_type="rate_limit",
        input_tokens=10**12,
        output_tokens=2,
        cached_input_tokens=3,
        cache_write_tokens=4,
        reasoning_tokens=5,
        cost_usd=0.123456789,
        latency_ms=1.5,
        time_to_first_token_ms=0.25,
        stream=False,
        client_ip="203.0.113.9, 10.0.0.1",
        user_agent="=cmd()",
        origin="https://example.com",
        end_user="Zoë 🦊",
        team="search",
        environment="prod",
        tags=["a", "b"],
    )
    any_store.insert(USAGE_EVENTS, [accepted(event, source=SOURCE)])
    row = any_store.query("SELECT * FROM v_usage_events").dicts()[0]
    expected = msgspec.to_builtins(event) | {
        "occurred_at": AT,
        "client_ip": "203.0.113.9",
        "cost_usd": Decimal("0.123456789"),
        "country": "DE",
        "asn": 64500,
        "network": "Example AS",
        "source_kind": "hosting",
        "priced": True,
    }
    assert row == expected


def test_what_is_absent_is_empty_or_null_and_an_unknown_price_is_null(any_store: Store) -> None:
    event = UsageEvent(event_id="e1", occurred_at=AT_SECONDS, key_id="k1")
    any_store.insert(USAGE_EVENTS, [accepted(event, priced=False)])
    row = any_store.query("SELECT * FROM v_usage_events").dicts()[0]
    assert row["cost_usd"] is None
    assert row["latency_ms"] is None
    assert row["stream"] is None
    assert (row["model"], row["client_ip"], row["tags"], row["asn"]) == ("", "", [], 0)
    assert (row["status"], row["priced"]) == (200, False)


@pytest.mark.parametrize("kinds", [1, 2, 256, 257, 65_537])
def test_texts_that_repeat_stay_with_their_events(store: Store, kinds: int) -> None:
    french = msgspec.structs.replace(SOURCE, country="FR")
    agents = [None, "", *(f"agent/{number}" for number in range(kinds - 1))]
    rows = [
        accepted(usage(number, user_agent=agent, team=f"t{number % 3}"), source=source)
        for number, (agent, source) in enumerate(
            zip(agents * 2, cycle([None, SOURCE, french]), strict=False)
        )
    ]
    store.insert(USAGE_EVENTS, packed(rows))
    answer = store.query(
        "SELECT event_id, user_agent, team, country, network, asn, client_ip FROM v_usage_events"
    )
    assert sorted(answer.rows) == [
        (
            event.event_id,
            event.user_agent or "",
            event.team,
            *((s.country, s.network, s.asn, s.ip) if (s := use.kind.source) else ("", "", 0, "")),
        )
        for use in rows
        if (event := use.event)
    ]


@pytest.mark.parametrize("nanos", [0, 1, 10**18])
def test_the_smallest_and_the_largest_amounts_are_exact(store: Store, nanos: int) -> None:
    use = accepted(usage(1))
    use.nanos = nanos
    store.insert(USAGE_EVENTS, [use])
    assert only(store, "SELECT sum(cost_usd) FROM v_usage_events") == Decimal(nanos) / 10**9


def test_totals_add_up_exactly(any_store: Store) -> None:
    events = [accepted(usage(number, cost_usd=0.1)) for number in range(1000)]
    any_store.insert(USAGE_EVENTS, packed(events))
    assert only(any_store, "SELECT sum(cost_usd) FROM v_usage_events") == Decimal(100)


def test_a_window_larger_than_any_event_is_taken(store: Store) -> None:
    store.insert(SPEND_WINDOWS, [msgspec.structs.replace(WINDOW, spend_usd=5e12)])
    assert only(store, "SELECT spend_usd FROM v_spend_windows") == Decimal(5 * 10**12)


def test_a_replay_in_other_batches_shows_each_event_once(any_store: Store) -> None:
    events = packed([accepted(usage(number)) for number in range(500)])
    any_store.insert(USAGE_EVENTS, events)
    for start in range(0, 500, 90):
        any_store.insert(USAGE_EVENTS, events[start : start + 90])
    assert only(any_store, "SELECT count() FROM usage_events FINAL") == 500
    assert only(any_store, "SELECT uniqExact(event_id) FROM v_usage_events") == 500


def test_of_duplicates_the_first_in_the_log_is_kept(store: Store) -> None:
    first, second = usage(1, cost_usd=1.0), usage(1, cost_usd=2.0, occurred_at=AT_SECONDS + 99)
    store.insert(USAGE_EVENTS, packed([accepted(second)], offset=8))
    store.insert(USAGE_EVENTS, packed([accepted(first), accepted(second)], offset=7))
    assert only(store, "SELECT cost_usd FROM v_usage_events") == Decimal(1)


def test_the_same_event_id_of_two_keys_is_two_events(store: Store) -> None:
    events = [accepted(usage(1, key_id="a")), accepted(usage(1, key_id="b"))]
    store.insert(USAGE_EVENTS, packed(events))
    assert only(store, "SELECT count() FROM v_usage_events") == 2


def test_one_batch_may_span_many_years(store: Store) -> None:
    events = [accepted(usage(n, occurred_at=1.3e9 + n * 31 * 86400.0)) for n in range(105)]
    store.insert(USAGE_EVENTS, packed(events))
    assert only(store, "SELECT count() FROM v_usage_events") == 105


def test_the_highest_version_of_a_window_wins_in_any_order(any_store: Store) -> None:
    versions = [
        msgspec.structs.replace(WINDOW, version=v, requests=v, spend_usd=v / 8) for v in (3, 9, 5)
    ]
    for window in versions:
        any_store.insert(SPEND_WINDOWS, [window])
    assert only(any_store, "SELECT version, requests, spend_usd FROM v_spend_windows") == (
        9,
        9,
        Decimal("1.125"),
    )


def test_the_latest_revision_of_an_incident_and_its_signals_are_shown(any_store: Store) -> None:
    revisions = [msgspec.structs.replace(INCIDENT, revision=n) for n in (2, 10, 9)]
    any_store.insert(INCIDENTS, [*revisions, *revisions])
    assert only(any_store, "SELECT incident_id, revision FROM v_incidents") == ("inc-1", 10)
    signal = any_store.query("SELECT * FROM v_signals").dicts()
    assert [(row["revision"], row["detector"], row["score"]) for row in signal] == [
        (10, "new_source", 4.25)
    ]
    assert signal[0]["window_start"] == AT
    assert msgspec.json.decode(signal[0]["evidence"])["usual"] == ["DE", "FR"]


def test_what_was_told_last_of_an_incident_is_shown(store: Store) -> None:
    """Folded again by other rules, it may have fewer revisions than before."""
    for severity, revisions in (("ticket", (1, 2, 3, 4)), ("page", (1, 2))):
        store.insert(
            INCIDENTS,
            [msgspec.structs.replace(INCIDENT, revision=n, severity=severity) for n in revisions],
        )
        time.sleep(0.002)
    assert only(store, "SELECT revision, severity FROM v_incidents") == (2, "page")


def test_a_late_insert_takes_no_action_back(store: Store) -> None:
    planned = msgspec.structs.replace(ACTION, requested_by="policy:soon", requested_at=AT)
    person = msgspec.structs.replace(ACTION, requested_at=AT + timedelta(seconds=30))
    store.insert(ACTIONS, [planned, person])
    store.insert(ACTIONS, [planned])  # its insert had timed out, and ends now
    store._client.command("OPTIMIZE TABLE actions FINAL")
    assert only(store, "SELECT requested_by FROM v_actions") == person.requested_by


def test_an_item_that_the_intake_refused_twice_is_one_dead_letter(store: Store) -> None:
    first = msgspec.structs.replace(DEAD, topic="intake:events")
    later = msgspec.structs.replace(first, received_at=AT + timedelta(seconds=2))
    store.insert(DEAD_LETTERS, [first, later])
    assert only(store, "SELECT count() FROM v_dead_letters") == 1


def test_an_offset_that_starts_again_is_another_dead_letter(store: Store) -> None:
    later = msgspec.structs.replace(DEAD, received_at=AT + timedelta(days=1))
    store.insert(DEAD_LETTERS, [DEAD, DEAD, later])
    assert only(store, "SELECT count() FROM v_dead_letters") == 2


def test_secrets_in_notes_and_answers_are_not_stored(store: Store) -> None:
    secret = "sk-proj-abcdefghijklmnop"
    store.insert(VERDICTS, [msgspec.structs.replace(VERDICT, note=f"was {secret}")])
    store.insert(ACTION_RESULTS, [msgspec.structs.replace(RESULT, detail=f"no key {secret}")])
    assert only(store, "SELECT note FROM verdicts") == "was <secret>"
    assert only(store, "SELECT detail FROM action_results") == "no key <secret>"


def test_a_value_that_cannot_be_stored_is_refused(any_store: Store) -> None:
    event = usage(1)
    event.status = 1 << 40
    wrong = accepted(event)
    with pytest.raises(StoreRefused):
        any_store.insert(USAGE_EVENTS, [wrong])
    assert only(any_store, "SELECT count() FROM usage_events") == 0


def test_a_table_that_is_missing_is_refused(any_config: StoreConfig) -> None:
    with Store.open(any_config) as store, pytest.raises(StoreRefused):
        store.insert(USAGE_EVENTS, [accepted(usage(1))])


def test_where_nothing_was_made_yet_the_command_for_it_is_named(any_config: StoreConfig) -> None:
    with (
        Store.open(any_config) as store,
        pytest.raises(StoreRefused, match="there is no store yet; `leakline init` creates it"),
    ):
        store.query("SELECT count() FROM usage_events")


def test_an_older_store_is_told_from_a_name_that_never_was(any_config: StoreConfig) -> None:
    with Store.open(any_config) as store:
        store.migrate()
        store.change("DROP VIEW v_dead_letters")
        store.change("DELETE FROM schema_migrations WHERE version >= 4")
        for ask in (store.query, store.read):
            with pytest.raises(StoreRefused, match="lacks 0004_views: `leakline init` brings it"):
                ask("SELECT count() FROM v_dead_letters")
        store.migrate()
        with pytest.raises(StoreRefused) as caught:
            store.query("SELECT count() FROM v_dead_lettres")
    assert "leakline init" not in str(caught.value)


def test_a_server_that_is_gone_is_unavailable() -> None:
    config = StoreConfig(host="127.0.0.1", port=1, password=SecretStr("planted-password"))
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1") as caught:
        Store.open(config)
    assert "planted-password" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_password_is_refused_and_not_shown(store_path: Path) -> None:
    front = Front(store_path, password="right")
    front.start()
    config = replace(Server("127.0.0.1", front.port), password=SecretStr("planted")).config("x")
    try:
        with pytest.raises(StoreRefused, match="refuses the user 'default'") as caught:
            Store.open(config)
    finally:
        front.stop()
    assert "planted" not in str(caught.value)


def test_a_second_path_in_one_process_is_refused(store: Store, tmp_path: Path) -> None:
    del store
    with pytest.raises(StoreRefused):
        Store.open(StoreConfig(path=tmp_path / "other"))


_OPEN = """
import sys
import time
from pathlib import Path
from pipeline.config import Store as StoreConfig
from pipeline.store import Store, StoreUnavailable
try:
    store = Store.open(StoreConfig(path=Path(sys.argv[1]), database="default"))
except StoreUnavailable as error:
    print("unavailable:", error)
else:
    print(store.query("SELECT toString(now()) = toString(now('UTC')), timezone()").rows[0])
"""


def _in_another_process(path: Path, zone: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", _OPEN, str(path)],
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_store_that_another_process_has_open_is_unavailable(store_path: Path) -> None:
    said = _in_another_process(store_path, "UTC")
    assert "another process has this store open: stop it, or set store.host" in said
    assert "Traceback" not in said


def test_the_embedded_store_speaks_utc_wherever_it_runs(tmp_path: Path) -> None:
    assert _in_another_process(tmp_path / "new", "America/New_York") == "(1, 'UTC')"


def test_check_store_says_what_is_wrong_in_one_line(
    any_config: StoreConfig, tmp_path: Path
) -> None:
    missing = check_store(StoreConfig(path=tmp_path / "nothing"))
    assert missing is not None
    assert "leakline init" in missing
    assert not (tmp_path / "nothing").exists()
    unreachable = check_store(StoreConfig(host="127.0.0.1", port=1))
    assert unreachable is not None
    assert "not reachable" in unreachable
    unmigrated = check_store(any_config)
    assert unmigrated is not None
    assert "migrations to apply" in unmigrated
    with Store.open(any_config) as store:
        store.migrate()
    assert check_store(any_config) is None


_CHECK = """
import sys
from pipeline.config import Store as StoreConfig
from pipeline.store import check_store
print(check_store(StoreConfig.model_validate_json(sys.argv[1])))
"""


def _checked_elsewhere(config: str) -> tuple[str, str]:
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", _CHECK, config], capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


def test_an_unreachable_server_is_one_line_and_no_log() -> None:
    said = "store: not reachable: ClickHouse at 127.0.0.1:1: Connection refused\n"
    assert _checked_elsewhere('{"host": "127.0.0.1", "port": 1}') == (said, "")


def test_a_server_that_does_not_answer_is_one_line_without_the_drivers_own_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        wrong = check_store(StoreConfig(host="127.0.0.1", port=port, timeout_seconds=1))
    assert wrong == f"store: not reachable: ClickHouse at 127.0.0.1:{port}: timed out"


def test_a_store_that_a_worker_has_open_is_in_use_and_not_wrong(store_path: Path) -> None:
    assert _checked_elsewhere(json.dumps({"path": str(store_path)})) == ("None\n", "")


@pytest.mark.parametrize("part", [0.0, 0.000001, 0.123456, 0.5, 0.999999])
def test_a_time_comes_back_to_the_microsecond(store: Store, part: float) -> None:
    second = AT.replace(microsecond=0)
    store.insert(USAGE_EVENTS, [accepted(usage(1, occurred_at=second.timestamp() + part))])
    store.insert(VERDICTS, [msgspec.structs.replace(VERDICT, at=second.timestamp() + part)])
    expected = second + timedelta(microseconds=round(part * 1e6))
    assert only(store, "SELECT occurred_at FROM v_usage_events") == expected
    assert only(store, "SELECT at FROM v_verdicts") == expected


def test_a_time_just_before_a_window_stays_before_it(store: Store) -> None:
    hour = AT.replace(minute=0, second=0, microsecond=0).timestamp()
    before = math.nextafter(hour, 0)
    store.insert(USAGE_EVENTS, [accepted(usage(1, occurred_at=before))])
    assert only(store, "SELECT toUnixTimestamp(occurred_at) FROM v_usage_events") == hour - 1


@pytest.mark.parametrize(
    "until", [datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
)
def test_a_time_at_the_ends_of_the_calendar_does_no_harm(store: Store, until: datetime) -> None:
    store.insert(VERDICTS, [msgspec.structs.replace(VERDICT, until=until)])
    assert only(store, "SELECT note FROM v_verdicts") == "ok"
    assert only(store, "SELECT isNotNull(until) FROM v_verdicts") == 1
