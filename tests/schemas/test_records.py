"""Every record: an example that round-trips, and near misses that are refused."""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from schemas.action import Action, ActionResult
from schemas.calibration import Calibration
from schemas.codec import Refused, decode_record
from schemas.dead_letter import PAYLOAD_BYTES_MAX, DeadLetter, pack_payload
from schemas.fields import epoch, to_dollars, to_nanos, utc
from schemas.incident import Incident
from schemas.json_schema import RECORDS
from schemas.key_record import KeyRecord
from schemas.label import Label
from schemas.notice import Notice
from schemas.provider_usage import ProviderUsage
from schemas.spend_window import SpendWindow
from schemas.usage_event import UsageEvent
from schemas.verdict import Verdict

AT = "2026-01-01T12:00:00+02:00"
SIGNAL = {
    "detector": "spike",
    "score": 4.5,
    "p_value": 0.001,
    "window_start": AT,
    "window_end": 1767261600,
    "summary": "12 times the usual spend for this hour.",
    "evidence": {"usual_usd": 1.5},
}
EXAMPLES: dict[type[msgspec.Struct], dict[str, Any]] = {
    UsageEvent: {"event_id": "e", "occurred_at": AT, "key_id": "k", "cost_usd": None},
    ProviderUsage: {
        "provider": "openai",
        "provider_key_id": "pk",
        "window_start": AT,
        "window_end": 1767265200.5,
        "observed_at": AT,
    },
    KeyRecord: {"key_id": "k", "status": "revoked", "status_changed_at": AT, "canary": True},
    Incident: {
        "incident_id": "i",
        "revision": 1,
        "key_id": "k",
        "status": "open",
        "severity": "page",
        "cause": "leaked",
        "risk": 0.97,
        "opened_at": AT,
        "detected_at": AT,
        "spend_usd": 12.5,
        "baseline_usd": 0.4,
        "burn_usd_per_hour": 30,
        "signals": [SIGNAL],
    },
    SpendWindow: {
        "key_id": "k",
        "granularity": "1h",
        "window_start": AT,
        "spend_usd": 1.25,
        "requests": 3,
        "errors": 0,
        "input_tokens": 10,
        "output_tokens": 20,
        "distinct_sources": 1,
        "version": 3,
    },
    Verdict: {"incident_id": "i", "key_id": "k", "verdict": "benign", "by": "slack:U1", "at": AT},
    Action: {
        "action_id": "a",
        "incident_id": "i",
        "key_id": "k",
        "kind": "revoke",
        "requested_by": "slack:U1",
        "requested_at": AT,
    },
    ActionResult: {"action_id": "a", "attempt": 1, "status": "verified", "at": AT},
    DeadLetter: {
        "topic": "usage-events",
        "offset": 7,
        "reason": "not_json",
        "detail": "the message is not JSON",
        "received_at": AT,
        "payload": "",
    },
    Calibration: {"version": "1", "created_at": AT, "page_nats": 12.0, "ticket_nats": 7.0},
    Label: {
        "label_id": "l",
        "key_id": "k",
        "kind": "stolen_bulk",
        "malicious": True,
        "started_at": AT,
        "ended_at": AT,
    },
    Notice: {
        "notice_id": "i",
        "severity": "page",
        "cause": "leaked",
        "told_at": AT,
        "shared": "network=as64500",
        "key_ids": ["k"],
        "incident_ids": ["i"],
        "spend_usd": 12.5,
    },
}


def test_every_record_has_an_example() -> None:
    assert set(EXAMPLES) == set(RECORDS)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_an_example_survives_a_round_trip(record: type[msgspec.Struct]) -> None:
    raw = msgspec.json.encode(EXAMPLES[record])
    once = msgspec.json.decode(raw, type=record)
    assert msgspec.json.decode(msgspec.json.encode(once), type=record) == once


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_unknown_fields_are_passed_over(record: type[msgspec.Struct]) -> None:
    raw = msgspec.json.encode(EXAMPLES[record] | {"a_later_field": {"deep": [1]}})
    expected = msgspec.json.decode(msgspec.json.encode(EXAMPLES[record]), type=record)
    assert msgspec.json.decode(raw, type=record) == expected


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_output_times_are_utc_with_a_z(record: type[msgspec.Struct]) -> None:
    if record in {UsageEvent, Calibration}:
        return  # read on the hot path, or a control record: kept as it came
    text = msgspec.json.encode(msgspec.convert(EXAMPLES[record], record, strict=False)).decode()
    assert "2026-01-01T10:00:00Z" in text
    assert "+02:00" not in text


@pytest.mark.parametrize(
    ("record", "change", "said"),
    [
        (UsageEvent, {"key_id": ""}, "length >= 1"),
        (UsageEvent, {"event_id": "x" * 129}, "length <= 128"),
        (UsageEvent, {"input_tokens": -1}, ">= 0"),
        (UsageEvent, {"cost_usd": -0.01}, ">= 0"),
        (UsageEvent, {"cost_usd": 1e10}, "<= 100000"),
        (UsageEvent, {"occurred_at": "2026-01-01T00:00:00"}, "timezone"),
        (UsageEvent, {"status": "200"}, "Expected `int`"),
        (ProviderUsage, {"provider_key_id": None}, "key_id and provider_key_id"),
        (ProviderUsage, {"requests": -1}, ">= 0"),
        (KeyRecord, {"status": "lost"}, "Invalid enum value"),
        (Incident, {"severity": "panic"}, "Invalid enum value"),
        (Incident, {"cause": "bad luck"}, "Invalid enum value"),
        (SpendWindow, {"granularity": "5m"}, "Invalid enum value"),
        (Verdict, {"verdict": "maybe"}, "Invalid enum value"),
        (Action, {"kind": "delete"}, "Invalid enum value"),
        (ActionResult, {"status": "perhaps"}, "Invalid enum value"),
        (DeadLetter, {"reason": "dislike"}, "Invalid enum value"),
        (Verdict, {"at": 1e300}, "out of range"),
    ],
)
def test_near_misses_are_refused(
    record: type[msgspec.Struct], change: dict[str, Any], said: str
) -> None:
    raw = msgspec.json.encode(EXAMPLES[record] | change)
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.json.decode(raw, type=record)


def test_a_bad_time_deep_in_a_record_is_called_by_its_own_name() -> None:
    raw = msgspec.json.encode(EXAMPLES[Incident] | {"signals": [SIGNAL | {"window_end": "x"}]})
    with pytest.raises(Refused, match="bad_time: window_end is neither"):
        decode_record(raw, Incident)


def test_times_convert_both_ways() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert utc(epoch(noon)) == utc(noon) == noon


def test_money_is_whole_nano_dollars() -> None:
    assert to_nanos(0.1) + to_nanos(0.2) == to_nanos(0.3)
    assert to_dollars(to_nanos(12.345678901)) == 12.345678901


def test_a_payload_carries_no_secret() -> None:
    carried = b64decode(pack_payload(b'{"key": "sk-planted-0123456789"}'))
    assert carried == b'{"key": "<secret>"}'


def test_a_payload_too_large_to_carry_is_left_behind() -> None:
    assert pack_payload(b"x" * PAYLOAD_BYTES_MAX)
    assert not pack_payload(b"x" * (PAYLOAD_BYTES_MAX + 1))
