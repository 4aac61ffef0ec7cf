"""Usage events out of the store again, in the order in which the log had them."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from pipeline.store.client import Store
from pipeline.store.rows import offset_of
from schemas.usage_event import UsageEvent

PAGE_ROWS: Final = 20_000
"""Held at once, where the order of what is asked for allows it."""
_NAMES: Final = tuple(field.name for field in msgspec.structs.fields(UsageEvent))
FIELDS: Final = ", ".join(_NAMES)
"""The columns that `event_of` takes, in their order."""
_KEYS: Final = """
SELECT key_id, count() FROM usage_events
WHERE occurred_at >= fromUnixTimestamp64Micro({since:Int64})
GROUP BY key_id ORDER BY key_id
"""
_PAGE: Final = f"""
SELECT {FIELDS}, precedence FROM usage_events FINAL
WHERE occurred_at >= fromUnixTimestamp64Micro({{since:Int64}})
  AND key_id BETWEEN {{first:String}} AND {{last:String}}
  AND (key_id > {{first:String}} OR precedence < {{precedence:UInt64}}
       OR (precedence = {{precedence:UInt64}} AND event_id > {{event_id:String}}))
ORDER BY key_id, precedence DESC, event_id
LIMIT {{most:UInt32}}
SETTINGS do_not_merge_across_partitions_select_final = 1
"""  # noqa: S608 - the names are ours


def stored_events(store: Store, since: float) -> Iterator[tuple[int, UsageEvent]]:
    """(offset, event) of every event from a time (Unix seconds) on.

    They come key by key, since the table is sorted by key: each page reads no more than its own
    part. A key's are in the log's order.

    Raises:
        StoreError: the store does not answer.
    """
    asked = {"since": round(since * 1e6), "most": PAGE_ROWS}
    for first, last in spans(store.query(_KEYS, asked).rows):
        yield from _of_keys(store, asked | {"first": first, "last": last})


def _of_keys(store: Store, asked: dict[str, Any]) -> Iterator[tuple[int, UsageEvent]]:
    after: dict[str, Any] = {"precedence": (1 << 64) - 1, "event_id": ""}
    while True:
        rows = store.query(_PAGE, asked | after).rows
        for row in rows:
            yield offset_of(row[-1]), event_of(row)
        if len(rows) < asked["most"]:
            return
        end = dict(zip((*_NAMES, "precedence"), rows[-1], strict=True))
        after = {"first": end["key_id"]} | {n: end[n] for n in ("precedence", "event_id")}


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
