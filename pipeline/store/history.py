"""The events in the store as the lines of a file, from which they can be replayed."""

from collections.abc import Iterator
from datetime import date, timedelta

import msgspec

from pipeline.store.client import Store

_SPAN = "SELECT min(toDate(occurred_at)), max(toDate(occurred_at)), count() FROM v_usage_events"
_DAY = """
SELECT event_id, toUnixTimestamp64Micro(occurred_at) / 1e6 AS at, key_id,
    nullIf(source, '') AS source, nullIf(provider, '') AS provider, nullIf(model, '') AS model,
    nullIf(operation, '') AS operation, status, nullIf(error_type, '') AS error_type,
    input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens,
    toFloat64(cost_usd) AS cost, nullIf(client_ip, '') AS client_ip,
    nullIf(user_agent, '') AS user_agent, nullIf(origin, '') AS origin,
    nullIf(end_user, '') AS end_user
FROM v_usage_events
WHERE toDate(occurred_at) = {day:Date}
ORDER BY occurred_at, key_id, event_id
"""


def event_lines(store: Store) -> Iterator[bytes]:
    """Every event, by time; a day of them is held at once."""
    first, last, count = store.query(_SPAN).rows[0]
    if not count:
        return
    day: date = first
    while day <= last:
        for row in store.query(_DAY, {"day": day.isoformat()}).dicts():
            row["occurred_at"], row["cost_usd"] = row.pop("at"), row.pop("cost")
            yield msgspec.json.encode({k: v for k, v in row.items() if v is not None}) + b"\n"
        day += timedelta(days=1)


def leaked_keys(store: Store) -> set[str]:
    """Keys of which a person said that they leaked."""
    rows = store.query("SELECT DISTINCT key_id FROM verdicts WHERE verdict = 'leak'").rows
    return {str(row[0]) for row in rows}
