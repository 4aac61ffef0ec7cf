"""Opening a client of either engine."""

import fcntl
import logging
import os
import sys
import time
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ProgrammingError

from pipeline.config import Store as StoreConfig
from pipeline.store.errors import (
    DRIVER_ERRORS,
    StoreInUse,
    StoreRefused,
    StoreUnavailable,
    one_line,
    reason,
    translate,
)

# What the driver logs it also raises, and whoever asked says it in a line of their own.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

_opened: set[Path] = set()
"""Embedded stores that this process opened; the engine takes any number of clients of one."""
_BAD_PASSWORD_CODES = (192, 193, 194, 516)


def connect(config: StoreConfig) -> Client:
    """A client of the configured engine, with no database chosen yet.

    Raises:
        StoreUnavailable: nobody answers.
        StoreInUse: another process has the embedded store open.
        StoreRefused: wrong credentials, or this process has another embedded store open.
    """
    client = _connect_server(config) if config.host else _connect_embedded(config)
    client.database = config.database
    return client


def _connect_server(config: StoreConfig) -> Client:
    try:
        return clickhouse_connect.get_client(
            host=config.host,
            port=config.port,
            username=config.username,
            password=config.password.get_secret_value(),
            secure=config.secure,
            ca_cert=None if config.ssl_cafile is None else str(config.ssl_cafile),
            connect_timeout=max(1, int(min(config.timeout_seconds, 10))),
            send_receive_timeout=max(1, int(config.timeout_seconds)),
            # A session would refuse two requests at once.
            autogenerate_session_id=False,
            tz_mode="aware",
            # Whoever asks decides about trying again.
            query_retries=0,
        )
    except DRIVER_ERRORS as error:
        where = f"{config.host}:{config.port}"
        if getattr(error, "code", None) in _BAD_PASSWORD_CODES:
            raise StoreRefused(
                f"ClickHouse at {where} refuses the user {config.username!r}"
            ) from None
        known = translate(error)
        raise type(known)(f"ClickHouse at {where}: {reason(error) or known}") from None


def _connect_embedded(config: StoreConfig) -> Client:
    path = config.path.expanduser().resolve()
    if path not in _opened and _locked(path):
        # Asked first, because the engine would print to stderr.
        raise _in_use(path)
    _use_utc()
    try:
        path.mkdir(parents=True, exist_ok=True)
        client = clickhouse_connect.get_client(
            interface="chdb", path=str(path), database="default", tz_mode="aware"
        )
    except ProgrammingError as error:
        if _locked(path):
            raise _in_use(path) from None
        raise StoreRefused(f"{path}: {one_line(error)}") from None
    except DRIVER_ERRORS as error:
        raise StoreUnavailable(f"{path}: {one_line(error)}") from None
    _opened.add(path)
    return client


def _in_use(path: Path) -> StoreInUse:
    return StoreInUse(
        f"{path}: another process has this store open: stop it, or set store.host to a ClickHouse "
        "server, which many can ask at once"
    )


def _locked(path: Path) -> bool:
    try:
        with (path / "status").open("rb") as status:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _use_utc() -> None:
    # The embedded engine takes its time zone from the environment when it is loaded, and would
    # show times in the host's zone.
    if "chdb" not in sys.modules:
        os.environ["TZ"] = "UTC"
        time.tzset()
