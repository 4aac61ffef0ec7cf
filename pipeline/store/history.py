"""The events in the store as the lines of a file, from which they can be replayed."""

from collections.abc import Iterator

from pipeline.store.client import Store
from pipeline.store.events import FIELDS, event_of
from schemas.codec import encode

_DAYS = """
SELECT toDate(occurred_at) AS day, count() FROM v_usage_events
WHERE {key_id:String} IN ('', key_id) GROUP BY day ORDER BY day
"""
_DAY = f"""
SELECT {FIELDS} FROM v_usage_events
WHERE toDate(occurred_at) = {{day:Date}} AND {{key_id:String}} IN ('', key_id)
ORDER BY occurred_at, key_id, event_id
"""  # noqa: S608 - the names are ours


def event_lines(store: Store, key_id: str = "", most: int | None = None) -> Iterator[bytes]:
    """Events by time; a day of them is held at once.

    Args:
        store: where they are.
        key_id: of this key alone.
        most: whole days are left out, the oldest first, until there are no more than so many, or
            a day is left.
    """
    days = store.query(_DAYS, {"key_id": key_id}).rows
    count = sum(each for _, each in days)
    while most is not None and count > most and len(days) > 1:
        count -= days[0][1]
        days = days[1:]
    for day, _ in days:
        for row in store.query(_DAY, {"day": day.isoformat(), "key_id": key_id}).rows:
            yield encode(event_of(row)) + b"\n"


def leaked_keys(store: Store) -> set[str]:
    """Keys of which a person said that they leaked."""
    rows = store.query("SELECT DISTINCT key_id FROM verdicts WHERE verdict = 'leak'").rows
    return {str(row[0]) for row in rows}
