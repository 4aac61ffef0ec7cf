import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.enrich.pricing import Pricer
from pipeline.intake import bedrock
from pipeline.intake.batch import parse
from schemas.codec import encode
from schemas.usage_event import UsageEvent

RECORD: dict[str, object] = {
    "schemaType": "ModelInvocationLog",
    "schemaVersion": "1.0",
    "timestamp": "2025-05-15T14:17:22Z",
    "accountId": "111111111111",
    "identity": {"arn": "arn:aws:sts::111111111111:assumed-role/app/session"},
    "region": "us-west-2",
    "requestId": "bb98d9a8-bd9a-47ca-976b-f165ef1f8b67",
    "operation": "Converse",
    "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
    "input": {
        "inputTokenCount": 12,
        "inputBodyJson": {"messages": [{"role": "user", "content": "planted prompt"}]},
    },
    "output": {
        "outputTokenCount": 34,
        "outputBodyJson": {"output": "planted answer", "metrics": {"latencyMs": 249}},
    },
}


def record(**changes: object) -> UsageEvent:
    return bedrock.convert(json.dumps(RECORD | changes).encode())


def test_a_record() -> None:
    found = record()
    assert found == UsageEvent(
        event_id="bb98d9a8-bd9a-47ca-976b-f165ef1f8b67",
        occurred_at=1747318642.0,
        key_id="arn:aws:sts::111111111111:assumed-role/app",
        source="bedrock",
        provider="bedrock",
        model="anthropic.claude-3-haiku-20240307-v1:0",
        operation="chat",
        input_tokens=12,
        output_tokens=34,
        latency_ms=249.0,
        stream=False,
        tags=["us-west-2"],
    )
    assert b"planted" not in encode(found)
    assert Pricer().price(found) == 12 * 250 + 34 * 1250


def test_long_request_ids_stay_apart() -> None:
    assert len({record(requestId="x" * 200 + end).event_id for end in "ab"}) == 2


def test_cached_tokens_are_counted_in() -> None:
    counts = {"inputTokenCount": 12, "cacheReadInputTokenCount": 5, "cacheWriteInputTokenCount": 3}
    found = record(input=counts)
    assert (found.input_tokens, found.cached_input_tokens, found.cache_write_tokens) == (20, 5, 3)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ValidationException", 400, "invalid_request"),
        ("ServiceQuotaExceededException", 400, "rate_limit"),
        ("AccessDeniedException", 403, "permission_denied"),
        ("ResourceNotFoundException", 404, "not_found"),
        ("ThrottlingException", 429, "rate_limit"),
        ("ModelNotReadyException", 429, "rate_limit"),
        ("ModelTimeoutException", 504, "timeout"),
        ("ModelErrorException", 500, "server_error"),
        ("SomethingElse", 500, "server_error"),
    ],
)
def test_failures(code: str, status: int, kind: str) -> None:
    found = record(errorCode=code)
    assert (found.status, found.error_type) == (status, kind)


def test_a_profile_names_its_model_and_a_user_is_a_key() -> None:
    user = "arn:aws:iam::111111111111:user/team/somebody"
    profile = "arn:aws:bedrock:us-west-2:111111111111:inference-profile/us.amazon.nova-lite-v1:0"
    found = record(modelId=profile, identity={"arn": user})
    assert (found.model, found.key_id) == ("us.amazon.nova-lite-v1:0", user)


@pytest.mark.parametrize(
    ("operation", "model", "expected"),
    [
        ("InvokeModel", "anthropic.claude-3-haiku-20240307-v1:0", "chat"),
        ("InvokeModel", "amazon.titan-embed-text-v2:0", "embeddings"),
        ("InvokeModel", "us.cohere.embed-v4:0", "embeddings"),
        ("InvokeModel", "amazon.titan-image-generator-v2:0", "images"),
        ("InvokeModel", "amazon.nova-canvas-v1:0", "images"),
        ("InvokeModel", "stability.sd3-5-large-v1:0", "images"),
        ("InvokeModel", None, "chat"),
        ("InvokeModelWithResponseStream", "meta.llama3-8b-instruct-v1:0", "chat"),
        ("CountTokens", "anthropic.claude-3-haiku-20240307-v1:0", "CountTokens"),
        (None, None, None),
    ],
)
def test_what_was_invoked_is_told_by_the_model(
    operation: str | None, model: str | None, expected: str | None
) -> None:
    assert record(operation=operation, modelId=model).operation == expected


@pytest.mark.parametrize("length", [150, 300])
def test_long_names_of_callers_stay_apart(length: int) -> None:
    arns = ["arn:aws:iam::111111111111:user/" + "x" * length + end for end in "ab"]
    assert [record(identity={"arn": arn}).key_id for arn in arns] == [
        "sha256:" + hashlib.sha256(arn.encode()).hexdigest() for arn in arns
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"requestId": 5}, "missing_field"),
        ({"identity": "me"}, "missing_field"),
        ({"timestamp": None}, "bad_time"),
    ],
)
def test_what_is_refused(change: dict[str, object], reason: str) -> None:
    body = json.dumps(RECORD | change).encode()
    assert parse(body, bedrock.convert).reasons() == {reason: 1}


@given(
    st.dictionaries(
        st.sampled_from(sorted(RECORD)), st.none() | st.integers() | st.text() | st.just({"a": [1]})
    )
)
def test_any_change_is_an_event_or_refused(changes: dict[str, object]) -> None:
    found = parse(json.dumps(RECORD | changes).encode(), bedrock.convert)
    assert len(found.packed()) + len(found.rejected) == 1
