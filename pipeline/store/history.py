"""The events in the store as the lines of a file, from which they can be replayed."""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import islice
from tempfile import TemporaryFile
from typing import Any, Final

import msgspec
from msgspec import Struct

from pipeline.store.client import Store
from pipeline.store.events import FIELDS, event_of, pages, spans, stored_events
from pipeline.store.rows import micros
from schemas.codec import encode

RUN_LINES: Final = 200_000
"""Sorted in memory."""
_HOURS: Final = """
SELECT toStartOfHour(occurred_at) AS hour, count() FROM v_usage_events
WHERE key_id = {key_id:String}
GROUP BY hour ORDER BY hour
"""
_PAGE: Final = f"""
SELECT {FIELDS} FROM v_usage_events
WHERE key_id = {{key_id:String}}
  AND occurred_at >= fromUnixTimestamp64Micro({{at:Int64}})
  AND occurred_at < fromUnixTimestamp64Micro({{end:Int64}})
  AND (toUnixTimestamp64Micro(occurred_at), event_id) > ({{at:Int64}}, {{event_id:String}})
ORDER BY occurred_at, event_id
LIMIT {{most:UInt32}}
"""  # noqa: S608 - the names are ours


class _Place(Struct):
    """Where a line stands among those of all keys."""

    occurred_at: datetime
    key_id: str
    event_id: str


_PLACE: Final = msgspec.json.Decoder(_Place)


def history_lines(store: Store, one_in: int = 1) -> Iterator[bytes]:
    """The events of one key in so many, by time.

    The table is sorted by key, and any time of it is strewn over a month. So they are fetched key
    by key, and sorted here.
    """
    yield from _by_time(encode(each.event) + b"\n" for each in stored_events(store, 0.0, one_in))


def event_lines(store: Store, key_id: str, most: int | None = None) -> Iterator[bytes]:
    """The events of a key, by time.

    Args:
        store: where they are.
        key_id: the key.
        most: whole hours are left out, the oldest first, until there are no more than so many, or
            an hour is left.
    """
    hours = deque(store.query(_HOURS, {"key_id": key_id}).rows)
    count = sum(each for _, each in hours)
    while most is not None and count > most and len(hours) > 1:
        count -= hours.popleft()[1]
    for first, last in spans(hours):
        end = micros(last + timedelta(hours=1))
        asked = {"key_id": key_id, "at": micros(first), "end": end, "event_id": ""}
        for row in pages(store, _PAGE, asked, _behind):
            yield encode(event_of(row)) + b"\n"


def stored_count(store: Store) -> int:
    """How many events the store has, some of them twice until it has merged them."""
    count: int = store.query("SELECT count() FROM usage_events").rows[0][0]
    return count


def leaked_keys(store: Store) -> set[str]:
    """Keys of which a person said that they leaked."""
    rows = store.query("SELECT DISTINCT key_id FROM verdicts WHERE verdict = 'leak'").rows
    return {str(row[0]) for row in rows}


def _behind(row: tuple[Any, ...]) -> dict[str, Any]:
    event = event_of(row)
    return {"at": micros(event.occurred_at), "event_id": event.event_id}


def _by_time(lines: Iterable[bytes]) -> Iterator[bytes]:
    """More lines than memory holds, sorted: in runs, which are merged."""
    rest = iter(lines)
    with ExitStack() as files:
        runs = []
        while run := sorted(islice(rest, RUN_LINES), key=_place):
            file = files.enter_context(TemporaryFile())
            file.writelines(run)
            file.seek(0)
            runs.append(file)
        yield from heapq.merge(*runs, key=_place)


def _place(line: bytes) -> tuple[datetime, str, str]:
    found = _PLACE.decode(line)
    return found.occurred_at, found.key_id, found.event_id
