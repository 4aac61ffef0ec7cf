"""One record of each kind with every field filled, and usage events in numbers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from pipeline.message import Message
from pipeline.store import rows
from schemas import topics
from schemas.action import Action, ActionResult
from schemas.dead_letter import DeadLetter
from schemas.incident import Incident, Signal
from schemas.provider_usage import ProviderUsage
from schemas.spend_window import SpendWindow
from schemas.usage_event import UsageEvent
from schemas.verdict import Verdict

AT = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
"""Inside the hour that summer time skips in half of Europe."""
AT_SECONDS = AT.timestamp()

SIGNAL = Signal(
    detector="new_source",
    score=4.25,
    p_value=0.001,
    window_start=AT,
    window_end=AT,
    summary="First seen from “Elbonia” — 3 requests",
    evidence={"country": "XX", "requests": 3, "usual": ["DE", "FR"]},
)
INCIDENT = Incident(
    incident_id="inc-1",
    revision=2,
    key_id="key-1",
    team="search",
    environment="prod",
    status="open",
    severity="page",
    cause="leaked",
    runner_up="growth",
    risk=0.97,
    opened_at=AT,
    detected_at=AT,
    spend_usd=12.345678901,
    baseline_usd=0.1 + 0.2,
    burn_usd_per_hour=99.5,
    signals=[SIGNAL],
    learning=True,
)
WINDOW = SpendWindow(
    key_id="key-1",
    granularity="1h",
    window_start=AT.replace(minute=0, second=0, microsecond=0),
    spend_usd=1234.567890123,
    requests=10,
    errors=1,
    input_tokens=1000,
    output_tokens=200,
    distinct_sources=3,
    unpriced_requests=2,
    version=(7 << 40) + 10,
)
BILLED = ProviderUsage(
    provider="openai",
    key_id="key-1",
    provider_key_id="pk-1",
    model="gpt-4o",
    window_start=AT,
    window_end=AT + timedelta(hours=1),
    requests=5,
    input_tokens=1,
    cached_input_tokens=2,
    output_tokens=3,
    cost_usd=0.000000001,
    observed_at=AT,
)
VERDICT = Verdict(
    incident_id="inc-1", key_id="key-1", verdict="snooze", until=AT, by="slack:U1", at=AT, note="ok"
)
ACTION = Action(
    action_id="act-1",
    incident_id="inc-1",
    key_id="key-1",
    kind="revoke",
    gateway="litellm",
    requested_by="slack:U1",
    requested_at=AT,
    not_before=AT,
    dry_run=True,
)
RESULT = ActionResult(
    action_id="act-1",
    attempt=3,
    status="verified",
    http_status=204,
    detail="gone",
    at=AT,
    incident_id="inc-1",
    key_id="key-1",
    kind="revoke",
)
DEAD = DeadLetter(
    topic="usage-events",
    partition=3,
    offset=1 << 40,
    index=7,
    reason="bad_time",
    detail="occurred_at is no time",
    received_at=AT,
    payload="eyJh",
)
RECORDS: tuple[tuple[topics.Topic, rows.Table[Any], msgspec.Struct], ...] = (
    (topics.INCIDENTS, rows.INCIDENTS, INCIDENT),
    (topics.SPEND_WINDOWS, rows.SPEND_WINDOWS, WINDOW),
    (topics.PROVIDER_USAGE, rows.PROVIDER_USAGE, BILLED),
    (topics.VERDICTS, rows.VERDICTS, VERDICT),
    (topics.ACTIONS, rows.ACTIONS, ACTION),
    (topics.ACTION_RESULTS, rows.ACTION_RESULTS, RESULT),
    (topics.DEAD_LETTERS, rows.DEAD_LETTERS, DEAD),
)
TABLES: tuple[rows.Table[Any], ...] = tuple(
    each for each in vars(rows).values() if isinstance(each, rows.Table)
)
"""Every table."""


def usage(number: int, **more: object) -> UsageEvent:
    """The event of a number."""
    fields: dict[str, object] = {
        "event_id": f"event-{number:06d}",
        "occurred_at": AT_SECONDS + number,
        "key_id": f"key-{number % 7}",
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": number,
        "cost_usd": number / 1000,
    }
    return msgspec.convert(fields | more, UsageEvent)


def packed(events: Sequence[UsageEvent], offset: int = 0) -> Message:
    """A message that holds the events."""
    return Message(
        topics.USAGE_EVENTS.name,
        partition=0,
        offset=offset,
        value=b"\n".join(msgspec.json.encode(event) for event in events),
        appended_at=AT_SECONDS + 10_000,
        headers={topics.CONTENT_TYPE_HEADER: topics.NDJSON},
    )


def message(topic: topics.Topic, record: msgspec.Struct | bytes, offset: int = 0) -> Message:
    """A message of a topic."""
    value = record if isinstance(record, bytes) else msgspec.json.encode(record)
    return Message(topic.name, 0, offset, value, AT_SECONDS)
