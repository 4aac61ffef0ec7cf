"""Stores to test with: embedded, and a server over HTTP.

The embedded engine takes one path at a time, so all tests of a module share one engine.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.config import Store as StoreConfig
from pipeline.store import Store
from tests.support.clickhouse_front import Front

_NUMBERS = itertools.count(1)
_SHARED = f"test_{os.getpid()}"


@dataclass(frozen=True)
class Server:
    """A ClickHouse server to connect to."""

    host: str
    port: int
    username: str = "default"
    password: SecretStr = field(default=SecretStr(""))
    front: Front | None = None
    """Where faults are injected; None for a real server, which takes none."""

    def config(self, database: str) -> StoreConfig:
        return StoreConfig(
            host=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            database=database,
            timeout_seconds=20,
        )


def _fresh_name() -> str:
    return f"test_{os.getpid()}_{next(_NUMBERS)}"


_migrated: set[tuple[str | None, int]] = set()


def _opened(config: StoreConfig) -> Iterator[Store]:
    """A migrated store with empty tables; migrating for each test would take too long."""
    with Store.open(config) as store:
        if (config.host, config.port) not in _migrated:
            store.migrate()
            _migrated.add((config.host, config.port))
        yield store
        filled = store.query(
            "SELECT name FROM system.tables WHERE database = {name:String} AND total_rows > 0",
            {"name": config.database},
        )
        for (name,) in filled.rows:
            if name != "schema_migrations":
                store._client.command(f"TRUNCATE TABLE {name} SYNC")


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' shared store lies."""
    return tmp_path_factory.mktemp("chdb")


@pytest.fixture(scope="module")
def store_path(store_folder: Path) -> Iterator[Path]:
    """The one directory in which the tests of a module may open embedded stores."""
    # Held open through the module, since reopening the engine leaks threads; and no longer, since
    # other modules have stores elsewhere.
    with closing(Store.open(StoreConfig(path=store_folder))):
        yield store_folder


@pytest.fixture
def embedded_config(store_path: Path) -> StoreConfig:
    """An embedded store with an empty database, not migrated."""
    return StoreConfig(path=store_path, database=_fresh_name())


@pytest.fixture
def store(store_path: Path) -> Iterator[Store]:
    """An embedded store, migrated and empty."""
    yield from _opened(StoreConfig(path=store_path, database=_SHARED))


@pytest.fixture(scope="module")
def clickhouse_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server: the one in LEAKLINE_TEST_CLICKHOUSE (host:port), Docker's, or the front."""
    named = os.environ.get("LEAKLINE_TEST_CLICKHOUSE")
    if named:
        host, _, port = named.rpartition(":")
        yield Server(host, int(port))
        return
    if _docker_answers():
        yield from _container()
        return
    front = Front(request.getfixturevalue("store_path"))
    front.start()
    yield Server("127.0.0.1", front.port, front=front)
    front.stop()


@pytest.fixture
def clickhouse_http(clickhouse_server: Server) -> Iterator[Server]:
    """The server, with no faults left over from other tests."""
    if clickhouse_server.front is not None:
        clickhouse_server.front.faults.clear()
        clickhouse_server.front.statements.clear()
    yield clickhouse_server
    if clickhouse_server.front is not None:
        clickhouse_server.front.faults.clear()


@pytest.fixture
def front(store_path: Path) -> Iterator[Front]:
    """A front of the test's own, for faults."""
    front = Front(store_path)
    front.start()
    yield front
    front.stop()


@pytest.fixture
def faulty_store(front: Front) -> Iterator[Store]:
    """A migrated store behind `front`."""
    yield from _opened(Server("127.0.0.1", front.port).config(_SHARED))


@pytest.fixture(params=["embedded", "http"])
def any_config(request: pytest.FixtureRequest) -> StoreConfig:
    """An empty database on each engine in turn, not migrated."""
    if request.param == "embedded":
        config: StoreConfig = request.getfixturevalue("embedded_config")
        return config
    server: Server = request.getfixturevalue("clickhouse_http")
    return server.config(_fresh_name())


@pytest.fixture(params=["embedded", "http"])
def any_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A migrated, empty store on each engine in turn."""
    if request.param == "embedded":
        yield request.getfixturevalue("store")
        return
    server: Server = request.getfixturevalue("clickhouse_http")
    yield from _opened(server.config(_SHARED))


def _docker_answers() -> bool:
    if not (os.environ.get("DOCKER_HOST") or Path("/var/run/docker.sock").exists()):
        return False
    import docker  # type: ignore[import-untyped]  # noqa: PLC0415 - only where there may be one

    try:
        with closing(docker.from_env(timeout=5)) as client:
            return bool(client.ping())
    except docker.errors.DockerException:
        return False


def _container() -> Iterator[Server]:
    from testcontainers.clickhouse import (  # noqa: PLC0415 - only where Docker answers
        ClickHouseContainer,
    )

    with ClickHouseContainer("clickhouse/clickhouse-server:26.3-alpine", port=8123) as server:
        yield Server(
            server.get_container_host_ip(),
            int(server.get_exposed_port(8123)),
            server.username,
            SecretStr(server.password),
        )
