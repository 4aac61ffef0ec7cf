"""What can go wrong with the store, in two kinds: wait and try again, or stop."""

from typing import ClassVar

from clickhouse_connect.driver.exceptions import (
    ClickHouseError,
    DatabaseError,
    DataError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

from schemas.redaction import scrub_text

TRANSIENT_CODES = frozenset(
    {
        159,  # TIMEOUT_EXCEEDED
        160,  # TOO_SLOW
        173,  # CANNOT_ALLOCATE_MEMORY
        201,  # QUOTA_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED: a server that is shutting down
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        319,  # UNKNOWN_STATUS_OF_INSERT
        335,  # UNFINISHED
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        473,  # DEADLOCK_AVOIDED
        999,  # KEEPER_EXCEPTION
        1000,  # POCO_EXCEPTION
        1001,  # STD_EXCEPTION
        1002,  # UNKNOWN_EXCEPTION
    }
)
"""ClickHouse's error codes that pass by themselves; any other code is a mistake of ours."""
_UNKNOWN_DATABASE = 81
_LENGTH_MAX = 500
_LEFT_OUT = " … "


class StoreError(Exception):
    """The store did not do what was asked. The text is one line."""


class StoreUnavailable(StoreError):  # noqa: N818 - named for what happened
    """It may work later: try again."""


class StoreInUse(StoreUnavailable):
    """Another process has the embedded store open."""


class StoreRefused(StoreError):  # noqa: N818 - named for what happened
    """It will never work: a bug, a missing table, or a missing right."""


class StoreLacks(StoreRefused):
    """It has no such table or column: an older store, or a name that never was."""


class StoreOnlyReads(StoreRefused):
    """It would do more than read, where reading is all that is allowed."""

    exit_code: ClassVar[int] = 2


_KINDS: dict[int, type[StoreError]] = {
    **dict.fromkeys(TRANSIENT_CODES, StoreUnavailable),
    16: StoreLacks,  # NO_SUCH_COLUMN_IN_TABLE
    47: StoreLacks,  # UNKNOWN_IDENTIFIER
    60: StoreLacks,  # UNKNOWN_TABLE
    164: StoreOnlyReads,  # READONLY
}


def translate(error: Exception) -> StoreError:
    """The store's own error for one of the driver's."""
    text = one_line(error)
    code = error.code if isinstance(error, DatabaseError) else None
    if code == _UNKNOWN_DATABASE:
        return StoreRefused(f"there is no store yet; `leakline init` creates it ({text})")
    if code is not None:
        return _KINDS.get(code, StoreRefused)(text)
    if isinstance(error, (DataError, NotSupportedError, ProgrammingError)):
        return StoreRefused(text)
    if isinstance(error, (OperationalError, DatabaseError, OSError)):
        return StoreUnavailable(text)
    return StoreRefused(f"{type(error).__name__}: {text}")


def one_line(error: Exception) -> str:
    """An error's text without line breaks and secrets, of bounded length; the cause comes last."""
    text = scrub_text(" ".join(str(error).split()))
    if len(text) <= _LENGTH_MAX:
        return text
    half = (_LENGTH_MAX - len(_LEFT_OUT)) // 2
    return text[:half] + _LEFT_OUT + text[-half:]


def reason(error: BaseException) -> str | None:
    """Why there was no connection, in the words of the operating system, which raised it first."""
    root = error
    while cause := root.__cause__ or root.__context__:
        root = cause
    if not isinstance(root, OSError):
        return None
    return one_line(root) if root.strerror is None else scrub_text(root.strerror)


DRIVER_ERRORS = (ClickHouseError, OSError, ValueError, TypeError, OverflowError, AttributeError)
"""Everything the driver raises: its own errors, the network's, and those of encoding a value."""
