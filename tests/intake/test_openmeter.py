import hashlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from pipeline.intake import openmeter
from schemas.usage_event import UsageEvent

AT = 1_767_300_000.0
"""When bodies come."""
EVENT: dict[str, object] = {
    "specversion": "1.0",
    "type": "litellm_tokens",
    "id": "chatcmpl-123",
    "time": "2026-01-01T00:00:00Z",
    "subject": "team-a",
    "source": "litellm-proxy",
    "data": {"model": "gpt-4o", "cost": 0.0187, "prompt_tokens": 1000, "completion_tokens": 1300},
}


def test_an_event() -> None:
    found = openmeter.convert(json.dumps(EVENT).encode(), AT)
    assert found == UsageEvent(
        event_id=found.event_id,
        occurred_at=1767225600.0,
        key_id="team-a",
        source="openmeter",
        model="gpt-4o",
        input_tokens=1000,
        output_tokens=1300,
        cost_usd=0.0187,
    )


def test_data_may_have_every_field_of_an_event() -> None:
    own = {
        "status": 401,
        "error_type": "revoked_key",
        "provider": "openai",
        "operation": "chat",
        "input_tokens": "100",
        "output_tokens": 5,
        "cached_input_tokens": 90,
        "cache_write_tokens": 4,
        "reasoning_tokens": 3,
        "cost_usd": 0.5,
        "latency_ms": 12.5,
        "time_to_first_token_ms": 3,
        "stream": True,
        "client_ip": "203.0.113.9",
        "user_agent": "curl/8",
        "origin": "https://app.example/a?token=secret",
        "end_user": "u",
        "team": "t",
        "environment": "prod",
        "tags": ["a", 5, "b"],
    }
    found = msgspec.to_builtins(openmeter.convert(json.dumps(EVENT | {"data": own}).encode(), AT))
    expected = own | {"input_tokens": 100, "origin": "https://app.example", "tags": ["a", "b"]}
    assert {name: found.get(name) for name in own} == expected
    taken = {"event_id", "occurred_at", "key_id", "source", "model"}
    assert {field.name for field in fields(UsageEvent)} == own.keys() | taken


def test_ids_count_within_their_source_and_subject() -> None:
    changes: list[dict[str, object]] = [{}, {"source": "other"}, {"subject": "b"}, {"id": "2"}]
    body = json.dumps([EVENT | change for change in changes]).encode()
    assert len({event.event_id for event in openmeter.parse(body, AT).events}) == 4


def test_ids_and_sources_that_differ_in_their_ends_alone_stay_apart() -> None:
    long = "projects/acme/" + "x" * 300
    changes = [{name: long + end} for name in ("id", "source") for end in "ab"]
    body = json.dumps([EVENT | change for change in changes]).encode()
    assert len({event.event_id for event in openmeter.parse(body, AT).events}) == 4


def test_long_subjects_stay_apart() -> None:
    subjects = ["projects/acme/" + "x" * length + end for length in (120, 300) for end in "ab"]
    body = json.dumps([EVENT | {"subject": subject} for subject in subjects]).encode()
    ids = [event.key_id for event in openmeter.parse(body, AT).events]
    assert ids == ["sha256:" + hashlib.sha256(each.encode()).hexdigest() for each in subjects]


@pytest.mark.parametrize(
    "event", [EVENT | {"time": None}, {n: EVENT[n] for n in EVENT if n != "time"}]
)
def test_an_event_without_a_time_is_of_the_time_at_which_it_came(event: dict[str, object]) -> None:
    first, again = (openmeter.convert(json.dumps(event).encode(), at) for at in (AT, AT + 60))
    assert (first.occurred_at, again.occurred_at) == (AT, AT + 60)
    assert first.event_id == again.event_id


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": ""}, "missing_field"),
        ({"subject": None}, "missing_field"),
        ({"time": "soon"}, "bad_time"),
    ],
)
def test_what_is_refused(change: dict[str, object], reason: str) -> None:
    body = json.dumps(EVENT | change).encode()
    assert openmeter.parse(body, AT).reasons() == {reason: 1}


@given(
    st.dictionaries(
        st.sampled_from(sorted(EVENT)),
        st.none()
        | st.integers()
        | st.text()
        | st.just({"cost": "x", "status": "y", "tags": 5, "stream": []}),
    )
)
def test_any_change_is_an_event_or_refused(changes: dict[str, object]) -> None:
    found = openmeter.parse(json.dumps(EVENT | changes).encode(), AT)
    assert len(found.packed()) + len(found.rejected) == 1
