"""Packed messages of many keys, for measuring speed: a simulated fleet, copied under new names."""

from collections.abc import Sequence

import msgspec

from pipeline.message import Message
from pipeline.simulate import FleetSettings, simulate
from schemas.fields import epoch
from schemas.topics import CONTENT_TYPE_HEADER, NDJSON, USAGE_EVENTS
from schemas.usage_event import UsageEvent

ORIGINAL_KEYS = 500
"""Keys that are simulated; the others are copies."""
EVENTS_PER_MESSAGE = 500
SHIFT_SECONDS = 7.0
"""Between copies of a key, so that they do not all speak at once."""
DAY_SECONDS = 86_400.0


def lines(keys: int, count: int, originals: int = ORIGINAL_KEYS) -> list[bytes]:
    """So many events of a fleet of so many keys, in order of time, as JSON.

    A stretch of the fleet's ordinary traffic, as long as it takes: nothing is thinned out, so that
    there are as many events a minute and key as there would be. Keys that are silent in it are
    missing.
    """
    known = min(keys, originals)
    copies = max(1, round(keys / known))
    fleet = simulate(
        FleetSettings(keys=known, days=4, seed=41, volume=0.6, change_rate=0.0, attack_rate=0.05)
    )
    events: list[UsageEvent] = []
    for event in fleet.events():
        # It begins at nine in the morning in London, when much of the world is awake.
        if epoch(event.occurred_at) >= fleet.settings.span[0] + 9 / 24 * DAY_SECONDS:
            events.append(event)
        if len(events) * copies >= count:
            break
    encode = msgspec.json.Encoder().encode
    rows = [
        (at, encode(_copied(event, copy, at)))
        for copy in range(copies)
        for event in events
        for at in [round(epoch(event.occurred_at) + copy * SHIFT_SECONDS % 600, 3)]
    ]
    rows.sort(key=lambda row: row[0])
    return [row for _, row in rows]


def _copied(event: UsageEvent, copy: int, at: float) -> UsageEvent:
    return msgspec.structs.replace(
        event,
        occurred_at=at,
        key_id=f"{event.key_id}-{copy}",
        event_id=f"{event.event_id}-{copy}",
    )


def pack(rows: Sequence[bytes]) -> list[Message]:
    """Lines as packed messages of one partition."""
    headers = {CONTENT_TYPE_HEADER: NDJSON}
    return [
        Message(
            USAGE_EVENTS.name,
            0,
            number,
            b"\n".join(rows[first : first + EVENTS_PER_MESSAGE]),
            4e9,
            headers=headers,
        )
        for number, first in enumerate(range(0, len(rows), EVENTS_PER_MESSAGE))
    ]
