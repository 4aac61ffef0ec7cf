import hashlib
import json
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake import otel
from pipeline.intake.batch import dead_letters
from schemas.usage_event import UsageEvent

ATTRIBUTES: dict[str, object] = {
    "leakline.key.hash": "key-1",
    "leakline.cost.usd": 0.25,
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 50,
    "gen_ai.usage.cache_read.input_tokens": 40,
    "gen_ai.response.time_to_first_chunk": 0.5,
    "gen_ai.request.stream": True,
    "client.address": "203.0.113.7",
    "gen_ai.prompt.0.content": "planted prompt",
}


def value(item: object) -> dict[str, object]:
    if isinstance(item, bool):
        return {"boolValue": item}
    if isinstance(item, int):
        return {"intValue": str(item)}
    return {"doubleValue": item} if isinstance(item, float) else {"stringValue": item}


def request(
    attributes: dict[str, object], resource: dict[str, object] | None = None, /, **span: object
) -> bytes:
    def listed(items: dict[str, object]) -> list[dict[str, object]]:
        return [{"key": name, "value": value(item)} for name, item in items.items()]

    times = {"startTimeUnixNano": "1767225600500000000", "endTimeUnixNano": 1767225602000000000}
    full = {"traceId": "t1", "spanId": "s1", "attributes": listed(attributes)} | times | span
    group: dict[str, Any] = {"scopeSpans": [{"spans": [full]}]}
    group["resource"] = {"attributes": listed(resource or {})}
    return json.dumps({"resourceSpans": [group]}).encode()


def test_a_span_becomes_an_event() -> None:
    (found,) = otel.parse(request(ATTRIBUTES, {"deployment.environment.name": "prod"})).events
    assert found == UsageEvent(
        event_id=found.event_id,
        occurred_at=1767225600.5,
        key_id="key-1",
        source="otel",
        provider="openai",
        model="gpt-4o-2024-08-06",
        operation="chat",
        input_tokens=100,
        output_tokens=50,
        cached_input_tokens=40,
        cost_usd=0.25,
        latency_ms=1500.0,
        time_to_first_token_ms=500.0,
        stream=True,
        client_ip="203.0.113.7",
        environment="prod",
    )


def test_names_of_before_and_the_key_of_the_resource() -> None:
    old = {
        "gen_ai.system": "openai",
        "gen_ai.usage.prompt_tokens": 7,
        "gen_ai.usage.completion_tokens": 5,
    }
    (found,) = otel.parse(request(old, {"leakline.key.hash": "sk-planted-0123456789"})).events
    assert (found.provider, found.input_tokens, found.output_tokens) == ("openai", 7, 5)
    assert found.key_id.startswith("sha256:")


def test_long_names_of_keys_stay_apart() -> None:
    names = ["projects/acme/" + "x" * length + end for length in (120, 300) for end in "ab"]
    found = [otel.parse(request(ATTRIBUTES | {"leakline.key.hash": name})) for name in names]
    ids = [event.key_id for batch in found for event in batch.events]
    assert ids == ["sha256:" + hashlib.sha256(name.encode()).hexdigest() for name in names]


def test_a_span_that_names_nothing_but_the_model_is_a_call() -> None:
    """As OpenRouter sends them."""
    own = {"gen_ai.request.model": "openai/gpt-4", "gen_ai.usage.prompt_tokens": 100}
    (found,) = otel.parse(request(own, {"leakline.key.hash": "k"})).events
    assert (found.model, found.input_tokens) == ("openai/gpt-4", 100)


def test_other_spans_are_passed_over() -> None:
    found = otel.parse(request({"http.request.method": "GET", "leakline.key.hash": "k"}))
    assert not found.events
    assert not found.rejected
    assert otel.parse(b"{}") == otel.parse(b'{"resourceSpans": []}') == otel.parse(b"")


@pytest.mark.parametrize("kind", [None, 0, 1, 2, "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER"])
def test_an_agent_that_repeats_the_sum_of_its_calls_is_not_counted(kind: object) -> None:
    found = otel.parse(request(ATTRIBUTES | {"gen_ai.operation.name": "invoke_agent"}, kind=kind))
    assert not found.events
    assert not found.rejected


@pytest.mark.parametrize("kind", [3, "3", "SPAN_KIND_CLIENT"])
def test_an_agent_at_a_remote_service_is_a_call(kind: object) -> None:
    attributes = ATTRIBUTES | {"gen_ai.operation.name": "invoke_agent"}
    (found,) = otel.parse(request(attributes, kind=kind)).events
    assert (found.operation, found.input_tokens) == ("invoke_agent", 100)


CALLS = ("chat", "text_completion", "generate_content", "embeddings", "images")
AROUND = ("execute_tool", "create_agent", "invoke_workflow", "plan", "retrieval", "search_memory")


def test_operations_of_frameworks_are_passed_over() -> None:
    for operation in (*CALLS, *AROUND):
        found = otel.parse(request(ATTRIBUTES | {"gen_ai.operation.name": operation}, kind=3))
        assert len(found.events) == (operation in CALLS)
        assert not found.rejected


def test_an_operation_that_is_no_text_is_none() -> None:
    body = request(ATTRIBUTES).replace(b'"stringValue": "chat"', b'"stringValue": {}')
    (found,) = otel.parse(body).events
    assert found.operation is None


def test_a_number_that_json_does_not_have_counts_as_absent() -> None:
    (found,) = otel.parse(request(ATTRIBUTES | {"leakline.cost.usd": float("nan")})).events
    assert (found.cost_usd, found.input_tokens) == (None, 100)


@pytest.mark.parametrize(
    ("span", "status"),
    [({"status": {"code": 2}}, 500), ({"status": {"code": "STATUS_CODE_ERROR"}}, 500), ({}, 200)],
)
def test_failures(span: dict[str, object], status: int) -> None:
    (found,) = otel.parse(request(ATTRIBUTES, **span)).events
    assert found.status == status
    assert found.error_type == (None if status == 200 else "server_error")
    for name, said, kind in (
        ("http.response.status_code", 429, "rate_limit"),
        ("http.status_code", 429, "rate_limit"),
        ("error.type", "429", "rate_limit"),
        ("error.type", "400", "invalid_request"),
        ("error.type", "401", "invalid_api_key"),
        ("error.type", "599", "server_error"),
    ):
        (found,) = otel.parse(request(ATTRIBUTES | {name: said}, **span)).events
        assert (found.status, found.error_type) == (int(said), kind)


@pytest.mark.parametrize("span", [{"status": {"code": 2}}, {}])
@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("RateLimitError", 429, "rate_limit"),
        ("openai.RateLimitError", 429, "rate_limit"),
        ("rate_limit_exceeded", 429, "rate_limit"),
        ("AuthenticationError", 401, "invalid_api_key"),
        ("PermissionDeniedError", 403, "permission_denied"),
        ("NotFoundError", 404, "not_found"),
        ("BadRequestError", 400, "invalid_request"),
        ("invalid_request_error", 400, "invalid_request"),
        ("TimeoutError", 504, "timeout"),
        ("APITimeoutError", 504, "timeout"),
        ("InternalServerError", 500, "server_error"),
        ("openai.APIResponseValidationError", 500, "server_error"),
        ("revoked_key", 401, "revoked_key"),
        ("_OTHER", 500, "server_error"),
        ("200", 500, "server_error"),
    ],
)
def test_an_error_with_a_name_is_never_a_success(
    span: dict[str, object], name: str, status: int, kind: str
) -> None:
    for more in ({}, {"http.response.status_code": 200}):
        attributes = ATTRIBUTES | {"error.type": name} | more
        (found,) = otel.parse(request(attributes, **span)).events
        assert (found.status, found.error_type) == (status, kind)


def test_a_status_says_more_than_the_name_of_an_error() -> None:
    attributes = ATTRIBUTES | {"error.type": "APIStatusError", "http.response.status_code": 404}
    (found,) = otel.parse(request(attributes)).events
    assert (found.status, found.error_type) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (request({"gen_ai.system": "openai"}), "missing_field"),
        (request(ATTRIBUTES, traceId=None), "missing_field"),
        (request(ATTRIBUTES, startTimeUnixNano="soon"), "bad_time"),
        (b"[]", "not_an_object"),
        (b"{", "not_json"),
    ],
)
def test_what_is_refused(body: bytes, reason: str) -> None:
    found = otel.parse(body)
    assert found.reasons() == {reason: 1}
    (letter,) = dead_letters(found, "otlp", otel.FIELDS, 0.0)
    kept = msgspec.json.decode(f'"{letter.payload}"', type=bytes)
    assert b"planted" not in kept


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceSpans", "resource", "scopeSpans", "spans", "attributes", "key", "value"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_taken_or_refused(value: object) -> None:
    found = otel.parse(json.dumps(value).encode())
    dead_letters(found, "otlp", otel.FIELDS, 0.0)


def test_spans_have_no_copies_of_what_their_resource_holds() -> None:
    names: dict[str, object] = {f"attribute-{number}": number for number in range(2_000)}
    whole = json.loads(request(ATTRIBUTES, names))
    (scope,) = whole["resourceSpans"][0]["scopeSpans"]
    scope["spans"] = [{**scope["spans"][0], "spanId": str(number)} for number in range(500)]
    body = json.dumps(whole).encode()
    tracemalloc.start()
    try:
        found = otel.parse(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.events) == 500
    assert peak < 20 * len(body)
