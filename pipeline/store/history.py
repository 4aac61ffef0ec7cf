"""The events in the store as the lines of a file, from which they can be replayed."""

from collections.abc import Iterator
from datetime import date, timedelta

from pipeline.store.client import Store
from pipeline.store.events import FIELDS, event_of
from schemas.codec import encode

_SPAN = "SELECT min(toDate(occurred_at)), max(toDate(occurred_at)), count() FROM v_usage_events"
_DAY = f"""
SELECT {FIELDS} FROM v_usage_events
WHERE toDate(occurred_at) = {{day:Date}}
ORDER BY occurred_at, key_id, event_id
"""  # noqa: S608 - the names are ours


def event_lines(store: Store) -> Iterator[bytes]:
    """Every event, by time; a day of them is held at once."""
    first, last, count = store.query(_SPAN).rows[0]
    if not count:
        return
    day: date = first
    while day <= last:
        for row in store.query(_DAY, {"day": day.isoformat()}).rows:
            yield encode(event_of(row)) + b"\n"
        day += timedelta(days=1)


def leaked_keys(store: Store) -> set[str]:
    """Keys of which a person said that they leaked."""
    rows = store.query("SELECT DISTINCT key_id FROM verdicts WHERE verdict = 'leak'").rows
    return {str(row[0]) for row in rows}
