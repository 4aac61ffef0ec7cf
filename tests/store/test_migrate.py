import re
from pathlib import Path

import msgspec
import pytest

from pipeline.config import Store as StoreConfig
from pipeline.store import Store, StoreRefused
from pipeline.store.migrate import load_migrations, split_statements, sql_folder
from pipeline.store.rows import INCIDENTS, USAGE_EVENTS
from tests.store.records import INCIDENT, SIGNAL, TABLES, usage
from tests.store.test_client import SOURCE, accepted

NAMES = [migration.name for migration in load_migrations()]


def copy_to(folder: Path) -> Path:
    for migration in load_migrations():
        (folder / f"{migration.name}.sql").write_text(migration.text)
    return folder


def test_migrations_are_applied_once(any_config: StoreConfig) -> None:
    with Store.open(any_config) as store:
        assert store.missing_migrations() == NAMES
        assert store.migrate() == NAMES
        assert store.migrate() == []
        assert store.missing_migrations() == []
        recorded = store.query("SELECT version, name FROM schema_migrations ORDER BY version").rows
        assert [name for _, name in recorded] == NAMES
        tables = {row[0] for row in store.query("SHOW TABLES").rows}
    assert {table.name for table in TABLES} <= tables
    assert {f"v_{table.name}" for table in TABLES} <= tables


def test_a_migration_that_broke_off_is_made_good(embedded_config: StoreConfig) -> None:
    with Store.open(embedded_config) as store:
        store.migrate()
        store.insert(INCIDENTS, [INCIDENT])
        # As after a crash between the statements and the record of them.
        store._client.command("TRUNCATE TABLE schema_migrations SYNC")
        store._client.command("DROP VIEW v_incidents")
        assert store.migrate() == NAMES
        assert store.query("SELECT count() FROM v_incidents").rows == [(1,)]


def test_an_older_store_learns_what_went_past_the_gateway(
    embedded_config: StoreConfig, tmp_path: Path
) -> None:
    folder = copy_to(tmp_path)
    (folder / "0006_unseen_usd.sql").unlink()
    past = msgspec.structs.replace(SIGNAL, evidence={"unseen_usd": 14.7})
    with Store.open(embedded_config) as store:
        store.migrate(folder)
        store.insert(INCIDENTS, [msgspec.structs.replace(INCIDENT, signals=[SIGNAL, past])])
        assert store.migrate() == ["0006_unseen_usd"]
        for view in ("v_incidents", "v_incident_revisions"):
            (row,) = store.query(f"SELECT * FROM {view}").dicts()  # noqa: S608  # our own names
            assert (row["revision"], row["unseen_usd"]) == (2, 14.7)
        assert store.query("SELECT detector FROM v_signals").rows == [("new_source",)] * 2


def test_a_changed_migration_is_an_error(embedded_config: StoreConfig, tmp_path: Path) -> None:
    folder = copy_to(tmp_path)
    with Store.open(embedded_config) as store:
        store.migrate(folder)
        path = folder / f"{NAMES[0]}.sql"
        path.write_text(path.read_text() + "-- one more thought\n")
        with pytest.raises(StoreRefused, match=f"{NAMES[0]} was changed after it was applied"):
            store.migrate(folder)


def test_a_later_migration_is_added(embedded_config: StoreConfig, tmp_path: Path) -> None:
    folder = copy_to(tmp_path)
    with Store.open(embedded_config) as store:
        store.migrate(folder)
        text = "ALTER TABLE incidents ADD COLUMN IF NOT EXISTS extra UInt8;\n"
        (folder / "0900_extra.sql").write_text(text)
        assert store.migrate(folder) == ["0900_extra"]
        # Rows of a program that does not know the column still go in.
        store.insert(INCIDENTS, [INCIDENT])
        with pytest.raises(StoreRefused, match="migration 0900, which is newer than leakline"):
            store.migrate()


def test_a_statement_that_fails_is_named_and_not_recorded(
    embedded_config: StoreConfig, tmp_path: Path
) -> None:
    folder = copy_to(tmp_path)
    (folder / "0900_wrong.sql").write_text("CREATE TABEL x;\n")
    with Store.open(embedded_config) as store:
        with pytest.raises(StoreRefused, match="SYNTAX_ERROR"):
            store.migrate(folder)
        assert store.missing_migrations() == []


def test_two_files_of_one_version_are_an_error(tmp_path: Path) -> None:
    for name in ("0001_a.sql", "0001_b.sql"):
        (tmp_path / name).write_text("SELECT 1;\n")
    with pytest.raises(StoreRefused, match="version 1 is taken by 0001_a"):
        load_migrations(tmp_path)


def test_a_folder_without_migrations_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="holds no migrations"):
        load_migrations(tmp_path)


def test_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    text = "-- a; comment\nSELECT ';';\n\nSELECT 2\n-- another\n, 3;  \n"
    assert split_statements(text) == ["SELECT ';'", "SELECT 2\n, 3"]


def test_the_installed_package_carries_the_files() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '"deploy/clickhouse" = "pipeline/store/migrations"' in project
    assert sql_folder().name in {"clickhouse", "migrations"}


GRANTS = split_statements((sql_folder() / "grants.sql").read_text())


def test_grants_parse(store: Store) -> None:
    # The engine parses them all, and refuses to make users.
    for statement in GRANTS:
        plain = re.sub(r"{\w+:String}", "'x'", statement)
        store.query(f"EXPLAIN AST {plain}")
    with pytest.raises(StoreRefused, match="SYNTAX_ERROR"):
        store.query("EXPLAIN AST GRANT NONSENSE ON leakline.* TO somebody")


def test_the_sink_may_append_to_every_table_and_nothing_else() -> None:
    to_sink = [line for line in GRANTS if line.endswith("TO leakline_sink")]
    inserts = {line.split(".")[1].split(" ")[0] for line in to_sink if "GRANT INSERT" in line}
    assert inserts == {table.name for table in TABLES}
    words = " ".join(to_sink).upper()
    assert not re.search(r"\b(ALTER|DROP|DELETE|TRUNCATE|CREATE|ALL)\b", words)


ABOUT_PEOPLE = {"client_ip", "end_user", "user_agent", "origin", "tags", "error_type"}
OUR_OWN = {"precedence", "appended_at", "stored_at"}


def test_an_analyst_reads_nothing_about_the_people_behind_requests(store: Store) -> None:
    store.insert(USAGE_EVENTS, [accepted(usage(1, end_user="alice"), source=SOURCE)])
    columns = {row[0] for row in store.query("DESCRIBE TABLE usage_events").rows}
    shown = store.query("SELECT * FROM v_requests")
    made = store.query("SHOW CREATE TABLE v_requests").rows[0][0]
    assert "DEFINER = default SQL SECURITY DEFINER" in made
    # A new column has to be one or the other.
    assert set(shown.names) == columns - ABOUT_PEOPLE - OUR_OWN
    assert len(shown.rows) == 1
    assert "alice" not in str(shown.rows)
    granted = [line for line in GRANTS if line.startswith("GRANT") and "_analyst" in line]
    readable = {
        re.sub(r"GRANT SELECT ON leakline\.(\w+) TO leakline_analyst", r"\1", g) for g in granted
    }
    known = {row[0] for row in store.query("SHOW TABLES").rows}
    hidden = {"usage_events", "v_usage_events", "dead_letters", "v_dead_letters"}
    assert readable == known - hidden - {"schema_migrations"}


def test_the_reader_only_reads() -> None:
    grants = [s for s in GRANTS if s.startswith("GRANT") and "TO leakline_reader" in s]
    assert grants == ["GRANT SELECT, SHOW ON leakline.* TO leakline_reader"]
    (profile,) = [statement for statement in GRANTS if "SETTINGS PROFILE IF" in statement]
    assert "readonly = 2" in profile
    # A reader may change settings, as drivers do, but not its limits; 0 is none.
    for limit in ("max_execution_time", "max_memory_usage"):
        assert re.search(rf"{limit} = (\d+) MIN 1 MAX \1\b", profile)
