"""The store itself: migrate, insert columns, ask."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from clickhouse_connect.datatypes import registry
from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.insert import InsertContext

from pipeline.config import Store as StoreConfig
from pipeline.store.connect import connect
from pipeline.store.errors import (
    DRIVER_ERRORS,
    StoreError,
    StoreInUse,
    StoreLacks,
    StoreRefused,
    translate,
)
from pipeline.store.migrate import LEDGER, load_migrations, pending
from pipeline.store.rows import Table
from pipeline.store.wire import insert_type

R = TypeVar("R")
_INSERT_SETTINGS = {
    # A replay of years touches more partitions in a batch than a server's default allows.
    "throw_on_max_partitions_per_insert_block": "0",
    "max_partitions_per_insert_block": "0",
    # An acknowledged insert is written, whatever the server's profile says.
    "async_insert": "0",
    # Duplicates within a batch are left to FINAL, as those between batches are: removing them
    # here made inserts four times as slow.
    "optimize_on_insert": "0",
}
_READING_SETTINGS = {
    # As v_usage_events has it; a view cannot set it for those who may change no settings.
    "do_not_merge_across_partitions_select_final": "1",
    "readonly": "1",
}

_SELECTION = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:select|with)\b", re.IGNORECASE | re.DOTALL)
"""The beginning of a statement whose answer has columns, behind any comments."""


@dataclass(frozen=True, slots=True)
class Rows:
    """An answer."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


class Store:
    """A connection; threads may share it, and the embedded engine serves one at a time."""

    def __init__(self, client: Client, config: StoreConfig) -> None:
        self._client = client
        self._config = config
        self._types: dict[str, dict[str, ClickHouseType]] = {}
        self._reading: Client | None = None

    @classmethod
    def open(cls, config: StoreConfig) -> Self:
        """Connect to what is configured.

        Raises:
            StoreUnavailable: nobody answers, or another process has the embedded store open.
            StoreRefused: wrong credentials, or this process has another embedded store open.
        """
        return cls(connect(config), config)

    @classmethod
    def open_existing(cls, config: StoreConfig) -> Self:
        """Connect to what is configured, without beginning an embedded store that is not there.

        Raises:
            StoreUnavailable: as `open` does.
            StoreRefused: as `open` does, or there is no embedded store.
        """
        # The engine leaves a folder of its own even where it finds nothing.
        if config.host is None and not (config.path.expanduser() / "metadata").is_dir():
            raise StoreRefused(f"{config.path}: there is no store yet; `leakline init` creates it")
        return cls.open(config)

    def migrate(self, folder: Path | None = None) -> list[str]:
        """Apply what is still to be applied; a crash in the middle is made good by the next call.

        Returns:
            The names of the migrations applied now.

        Raises:
            StoreRefused: an applied file was changed, or the store is newer than this program.
            StoreUnavailable: try again.
        """
        migrations = load_migrations(folder)
        with self._translated():
            self._client.command(
                f"CREATE DATABASE IF NOT EXISTS {quote_identifier(self._config.database)}",
                use_database=False,
            )
            self._client.command(LEDGER)
        todo = pending(migrations, self._applied())
        for migration in todo:
            with self._translated():
                for statement in migration.statements:
                    self._client.command(statement)
                self._client.insert(
                    "schema_migrations",
                    [[migration.version, migration.name, migration.checksum]],
                    ["version", "name", "checksum"],
                )
        self._types.clear()
        return [migration.name for migration in todo]

    def missing_migrations(self) -> list[str]:
        """Names of migrations that are still to be applied.

        Raises:
            StoreError: the tables cannot be read.
        """
        with self._translated():
            # The database itself may be missing.
            found = self._client.command(
                "SELECT count() FROM system.tables"
                " WHERE database = {database:String} AND name = 'schema_migrations'",
                {"database": self._config.database},
                use_database=False,
            )
        applied = self._applied() if found else {}
        return [migration.name for migration in pending(load_migrations(), applied)]

    def insert(self, table: Table[R], records: Sequence[R]) -> None:
        """Append records in one insert; they are durable when this returns.

        The insert is idempotent: the same records again show once under `FINAL`.

        Raises:
            StoreUnavailable: it may or may not have been applied; insert the same again.
            StoreRefused: it never will be.
        """
        if not records:
            return
        with self._translated():
            types = self._column_types(table.name)
            context = InsertContext(
                quote_identifier(table.name),
                table.columns,
                [types[name] for name in table.columns],
                column_oriented=True,
                settings=dict(_INSERT_SETTINGS),
                # One block: dictionaries of repeated texts are built once.
                block_size=len(records),
            )
            context.data = table.encode(records)
            self._client.data_insert(context)

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> Rows:
        """The answer to a query of ours; `{name:Type}` in it are bound by the server.

        Raises:
            StoreUnavailable: try again.
            StoreRefused: it never will be answered.
        """
        return self._ask(self._client, sql, params)

    def change(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Run a statement of ours that changes or deletes rows.

        Raises:
            StoreUnavailable: it may or may not have been applied; do it again.
            StoreRefused: it never will be; most users may only append.
        """
        with self._translated():
            self._client.command(sql, parameters=dict(params or {}))

    def read(self, sql: str, params: Mapping[str, Any] | None = None) -> Rows:
        """The answer to a query of somebody else, whom the engine lets read only.

        Raises:
            StoreUnavailable: try again.
            StoreRefused: it never will be answered.
        """
        reader, settings = self._reader(), self._reading_settings()
        answer = self._ask(reader, sql, params, settings)
        if not answer.names and _SELECTION.match(sql):
            # The embedded engine does not name the columns of no rows.
            described = self._ask(reader, f"DESCRIBE TABLE ({sql}\n)", params, settings)
            answer = Rows(tuple(row[0] for row in described.rows), [])
        return answer

    def export(self, sql: str, form: str, params: Mapping[str, Any] | None = None) -> bytes:
        """What `read` answers, in one of ClickHouse's formats, such as Parquet."""
        with self._translated():
            return self._reader().raw_query(
                sql, parameters=dict(params or {}), settings=self._reading_settings(), fmt=form
            )

    def close(self) -> None:
        """Give up the connection, and the lock of an embedded store."""
        if self._reading is not None:
            self._reading.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DRIVER_ERRORS as error:
            known = translate(error)
            raise (self._if_older(known) if isinstance(known, StoreLacks) else known) from None

    def _if_older(self, error: StoreLacks) -> StoreError:
        """The error, and what to do about it where the store is an older one."""
        try:
            missing = self.missing_migrations()
        except StoreError:
            return error
        if not missing:
            return error
        return StoreRefused(
            f"the store lacks {missing[0]}: `leakline init` brings it up to this version ({error})"
        )

    def _applied(self) -> dict[int, str]:
        rows = self.query("SELECT version, checksum FROM schema_migrations FINAL").rows
        return dict(rows)

    def _ask(
        self,
        client: Client,
        sql: str,
        params: Mapping[str, Any] | None,
        settings: dict[str, Any] | None = None,
    ) -> Rows:
        with self._translated():
            answer = client.query(sql, parameters=dict(params or {}), settings=settings)
            names = tuple(str(name) for name in answer.column_names)
            return Rows(names, [tuple(row) for row in answer.result_rows])

    def _column_types(self, table: str) -> dict[str, ClickHouseType]:
        known = self._types.get(table)
        if known is None:
            answer = self._client.query(f"DESCRIBE TABLE {quote_identifier(table)}")
            known = {
                row[0]: insert_type(registry.get_from_name(row[1])) for row in answer.result_rows
            }
            self._types[table] = known
        return known

    def _reader(self) -> Client:
        # The embedded engine knows read-only sessions, which can never write again. A server
        # takes the setting with each request.
        if self._config.host:
            return self._client
        if self._reading is None:
            reading = connect(self._config)
            for name, value in _READING_SETTINGS.items():
                reading.command(f"SET {name} = {value}", use_database=False)
            self._reading = reading
        return self._reading

    def _reading_settings(self) -> dict[str, Any]:
        if not self._config.host:
            return {}
        with self._translated():
            answer = self._client.query("SELECT toUInt8(getSetting('readonly'))")
        # A user who may only read may not even ask for it.
        return {} if answer.result_rows[0][0] else dict(_READING_SETTINGS)


def check_store(config: StoreConfig) -> str | None:
    """What is wrong with the store, in one line; None when it can be used.

    An embedded one that a running worker has open is in use already.
    """
    if config.host is None and not config.path.exists():
        return f"store.path: {config.path}: there is no store yet; `leakline init` creates it"
    try:
        with Store.open(config) as store:
            missing = store.missing_migrations()
    except StoreInUse:
        return None
    except StoreRefused as error:
        return f"store: {error}"
    except StoreError as error:
        return f"store: not reachable: {error}"
    if missing:
        return f"store: {len(missing)} migrations to apply (`leakline init` does): {missing[0]}, …"
    return None
