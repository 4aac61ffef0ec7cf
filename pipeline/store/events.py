"""Usage events out of the store again, in the order in which the log had them."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.store.client import Store
from pipeline.store.rows import micros, offset_of
from schemas.usage_event import UsageEvent

PAGE_ROWS: Final = 20_000
"""Held at once, where the order of what is asked for allows it."""
_NAMES: Final = tuple(field.name for field in msgspec.structs.fields(UsageEvent))
_EARLIEST: Final = -(1 << 63)
FIELDS: Final = ", ".join(_NAMES)
"""The columns that `event_of` takes, in their order."""
_KEYS: Final = """
SELECT key_id, count() FROM usage_events
WHERE occurred_at >= fromUnixTimestamp64Micro({since:Int64})
  AND cityHash64(key_id) % {one_in:UInt64} = 0
GROUP BY key_id ORDER BY key_id
"""
_PAGE: Final = f"""
SELECT {FIELDS}, appended_at, precedence FROM usage_events FINAL
WHERE occurred_at >= fromUnixTimestamp64Micro({{since:Int64}})
  AND key_id BETWEEN {{first:String}} AND {{last:String}}
  AND cityHash64(key_id) % {{one_in:UInt64}} = 0
  AND (key_id > {{first:String}}
       OR (toUnixTimestamp64Micro(appended_at), -toInt64(precedence), event_id)
          > ({{at:Int64}}, {{place:Int64}}, {{event_id:String}}))
ORDER BY key_id, appended_at, precedence DESC, event_id
LIMIT {{most:UInt32}}
SETTINGS do_not_merge_across_partitions_select_final = 1
"""  # noqa: S608 - the names are ours


class StoredEvent(NamedTuple):
    """An event, and where it stood in the log that it came from."""

    event: UsageEvent
    offset: int
    appended_at: float
    """Unix seconds. Offsets begin again with a log that was made anew; its time goes on."""


def stored_events(store: Store, since: float, one_in: int = 1) -> Iterator[StoredEvent]:
    """Every event from a time on.

    They come key by key, since the table is sorted by key: each page reads no more than its own
    part. A key's are in the order in which the logs had them, an earlier log's first.

    Args:
        store: where they are.
        since: Unix seconds.
        one_in: of one key in so many, by a hash of their ids.

    Raises:
        StoreError: the store does not answer.
    """
    asked: dict[str, Any] = {"since": round(since * 1e6), "one_in": one_in}
    asked |= {"at": _EARLIEST, "place": _EARLIEST, "event_id": ""}
    for first, last in spans(store.query(_KEYS, asked).rows):
        for row in pages(store, _PAGE, asked | {"first": first, "last": last}, _behind):
            yield StoredEvent(event_of(row), offset_of(row[-1]), _time(row).timestamp())


def pages(
    store: Store,
    sql: str,
    asked: dict[str, Any],
    behind: Callable[[tuple[Any, ...]], dict[str, Any]],
) -> Iterator[tuple[Any, ...]]:
    """The rows of a query in pages.

    Args:
        store: where they are.
        sql: takes no more than `most` rows, in an order of its own.
        asked: its parameters for the first page.
        behind: those by which it goes on behind a row.
    """
    while True:
        rows = store.query(sql, asked | {"most": PAGE_ROWS}).rows
        yield from rows
        if len(rows) < PAGE_ROWS:
            return
        asked = asked | behind(rows[-1])


def _behind(row: tuple[Any, ...]) -> dict[str, Any]:
    event = event_of(row)
    place = {"at": micros(_time(row)), "place": -row[-1]}
    return place | {"first": event.key_id, "event_id": event.event_id}


def _time(row: tuple[Any, ...]) -> datetime:
    """When the log took what a row of a page holds."""
    at: datetime = row[-2]
    return at


def spans(counts: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, Any]]:
    """First and last of neighbours that have no more than a page of rows, or of one that has.

    Args:
        counts: what has how many rows, in order.
    """
    held: list[Any] = []
    rows = 0
    for each, count in counts:
        if held and rows + count > PAGE_ROWS:
            yield held[0], held[-1]
            held, rows = [], 0
        held.append(each)
        rows += count
    if held:
        yield held[0], held[-1]


def event_of(row: tuple[Any, ...]) -> UsageEvent:
    """The event in a row of `FIELDS`; further columns are left out."""
    given = {
        name: value
        for name, value in zip(_NAMES, row, strict=False)
        if value not in (None, "", [])  # how absent ones are stored
    }
    if "cost_usd" in given:
        given["cost_usd"] = float(given["cost_usd"])
    return UsageEvent(**given)
