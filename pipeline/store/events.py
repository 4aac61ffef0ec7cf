"""Usage events out of the store again, in the order in which the log had them."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from pipeline.store.client import Store
from pipeline.store.rows import offset_of
from schemas.usage_event import UsageEvent

PAGE_ROWS: Final = 20_000
_NAMES: Final = tuple(field.name for field in msgspec.structs.fields(UsageEvent))
FIELDS: Final = ", ".join(_NAMES)
"""The columns that `event_of` takes, in their order."""
_PAGE: Final = f"""
SELECT {FIELDS}, precedence FROM usage_events FINAL
WHERE occurred_at >= fromUnixTimestamp64Micro({{since:Int64}})
  AND (precedence < {{precedence:UInt64}} OR (precedence = {{precedence:UInt64}}
       AND (key_id, event_id) > ({{key_id:String}}, {{event_id:String}})))
ORDER BY precedence DESC, key_id, event_id
LIMIT {PAGE_ROWS}
"""  # noqa: S608 - the names are ours


def stored_events(store: Store, since: float) -> Iterator[tuple[int, UsageEvent]]:
    """(offset, event) of every event from a time (Unix seconds) on; a key's in the log's order.

    Raises:
        StoreError: the store does not answer.
    """
    last: dict[str, Any] = {"precedence": (1 << 64) - 1, "key_id": "", "event_id": ""}
    while True:
        rows = store.query(_PAGE, last | {"since": round(since * 1e6)}).rows
        for row in rows:
            yield offset_of(row[-1]), event_of(row)
        if len(rows) < PAGE_ROWS:
            return
        found = dict(zip((*_NAMES, "precedence"), rows[-1], strict=True))
        last = {name: found[name] for name in last}


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
