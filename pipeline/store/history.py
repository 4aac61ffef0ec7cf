"""The events in the store as the lines of a file, from which they can be replayed."""

from collections.abc import Iterator
from typing import Final

from pipeline.store.client import Store
from pipeline.store.events import FIELDS, event_of, spans
from schemas.codec import encode

_DAYS: Final = """
SELECT toDate(occurred_at) AS day, count() FROM v_usage_events WHERE {whose}
GROUP BY day ORDER BY day
"""
_EVENTS: Final = f"""
SELECT {FIELDS} FROM v_usage_events
WHERE {{whose}} AND toDate(occurred_at) BETWEEN {{{{first:Date}}}} AND {{{{last:Date}}}}
ORDER BY occurred_at, key_id, event_id
"""  # noqa: S608 - the names are ours


def event_lines(store: Store, key_id: str = "", most: int | None = None) -> Iterator[bytes]:
    """Events by time, fetched by whole days.

    Args:
        store: where they are.
        key_id: of this key alone.
        most: whole days are left out, the oldest first, until there are no more than so many, or
            a day is left.
    """
    # Only a plain comparison lets the store look the key up; any other reads every event.
    whose = "key_id = {key_id:String}" if key_id else "true"
    days = store.query(_DAYS.format(whose=whose), {"key_id": key_id}).rows
    count = sum(each for _, each in days)
    while most is not None and count > most and len(days) > 1:
        count -= days[0][1]
        days = days[1:]
    for first, last in spans(days):
        span = {"first": first.isoformat(), "last": last.isoformat(), "key_id": key_id}
        for row in store.query(_EVENTS.format(whose=whose), span).rows:
            yield encode(event_of(row)) + b"\n"


def leaked_keys(store: Store) -> set[str]:
    """Keys of which a person said that they leaked."""
    rows = store.query("SELECT DISTINCT key_id FROM verdicts WHERE verdict = 'leak'").rows
    return {str(row[0]) for row in rows}
