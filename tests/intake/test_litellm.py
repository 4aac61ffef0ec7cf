import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake import litellm
from pipeline.intake.batch import dead_letters, parse
from schemas.codec import Refused, encode
from schemas.redaction import MARK, TEXT_LENGTH_MAX
from schemas.usage_event import UsageEvent
from tests.schemas.test_redaction import SECRETS

PAYLOADS: dict[str, dict[str, Any]] = {
    item["case"]: item["payload"]
    for line in (Path(__file__).parents[1] / "data" / "litellm.jsonl").read_text().splitlines()
    for item in [json.loads(line)]
}
KEY = "c2fa8ebd4ef83a965dae3a1b703d1a67c27a1b2fbf4f327dd1e1274e506798fe"


def event(case: str = "success", /, **changes: object) -> UsageEvent:
    return litellm.convert(json.dumps(PAYLOADS[case] | changes).encode())


def with_metadata(**changes: object) -> UsageEvent:
    return event(metadata=PAYLOADS["success"]["metadata"] | changes)


def test_a_success() -> None:
    found = event()
    assert found == UsageEvent(
        event_id=found.event_id,
        occurred_at=1795411138.571915,
        key_id=KEY,
        source="litellm",
        provider="openai",
        model="gpt-4o",
        operation="chat",
        input_tokens=10,
        output_tokens=20,
        cost_usd=0.00022500000000000002,
        latency_ms=19.178,
        client_ip="127.0.0.1",
        user_agent="curl/7.88.1",
        team="team-a",
    )


def test_a_forwarded_address_with_tags_and_end_user() -> None:
    found = event("success_xff_tags_enduser")
    assert (found.client_ip, found.tags, found.end_user) == ("203.0.113.9", ["team-x"], "alice")
    assert found.key_id == "litellm_proxy_master_key"


def test_streaming() -> None:
    found = event("streaming")
    assert (found.stream, found.latency_ms, found.time_to_first_token_ms) == (
        True,
        377.734,
        192.576,
    )
    assert (found.provider, found.model) == ("anthropic", "claude-sonnet-4-5")


@pytest.mark.parametrize(
    ("case", "status", "error_type", "key_id"),
    [
        ("failure", 500, "server_error", None),
        ("failure_unknown_key", 401, "invalid_api_key", None),
        ("failure_revoked_key", 401, "revoked_key", KEY),
        ("failure_blocked_key", 401, "revoked_key", None),
    ],
)
def test_failures(case: str, status: int, error_type: str, key_id: str | None) -> None:
    found = event(case)
    assert (found.status, found.error_type, found.cost_usd) == (status, error_type, 0)
    assert found.key_id == (key_id or PAYLOADS[case]["metadata"]["user_api_key_hash"])


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        ({"error_code": "429"}, "rate_limit"),
        ({"error_code": "400", "error_class": "BudgetExceededError"}, "budget_exceeded"),
        ({"error_code": "400"}, "invalid_request"),
        ({"error_code": "401", "llm_provider": "openai"}, "provider_auth"),
        ({"error_code": "401", "error_message": "Key is blocked."}, "revoked_key"),
        ({"error_code": "401", "error_message": "Expired Key"}, "expired_key"),
        ({"error_message": "Team=t-1 is blocked. Update via `/team/unblock`"}, "revoked_key"),
        ({"error_message": "User=u-7 has been deactivated via SCIM. Keys"}, "revoked_key"),
        ({"error_message": "No api key passed in."}, "invalid_api_key"),
        ({"error_message": "No DB Connected."}, "server_error"),
        ({"error_message": "the guardrail blocked this prompt"}, "server_error"),
        ({"error_message": "Key is blocked", "llm_provider": "openai"}, "server_error"),
        ({"error_message": "Key is blocked", "error_code": "503"}, "server_error"),
        ({}, "server_error"),
        ("text", "server_error"),
    ],
)
def test_kinds_of_failure(error: object, error_type: str) -> None:
    assert event("failure", error_information=error).error_type == error_type


def test_a_cost_that_litellm_could_not_tell_is_left_open() -> None:
    found = event("anthropic_messages")
    assert (found.cost_usd, found.input_tokens, found.output_tokens) == (None, 2095, 503)


@pytest.mark.parametrize(("said", "cost_usd"), [(0.0, 0.0), (None, 0.0), (0.002, 0.002)])
def test_what_litellm_answers_from_its_own_cache_is_no_use_of_the_provider(
    said: float | None, cost_usd: float
) -> None:
    cached = {"prompt_tokens_details": {"cached_tokens": 4, "cache_creation_tokens": 2}}
    metadata = PAYLOADS["streaming"]["metadata"] | {"usage_object": cached}
    found = event(
        "streaming", prompt_tokens=2095, cache_hit=True, response_cost=said, metadata=metadata
    )
    assert (found.input_tokens, found.output_tokens, found.cost_usd) == (0, 0, cost_usd)
    assert (found.cached_input_tokens, found.cache_write_tokens) == (0, 0)
    assert (found.stream, found.time_to_first_token_ms) == (True, 192.576)
    assert event("streaming", prompt_tokens=2095, cache_hit=False).input_tokens == 2095


OWN = {"custom_llm_provider": "hosted_vllm", "model": "openai/gpt-oss-120b", "response_cost": 0.0}


@pytest.mark.parametrize(
    ("changes", "cost_usd"),
    [
        ({}, 0),
        ({"custom_llm_provider": "ollama_chat"}, 0),
        ({"custom_llm_provider": None, "model": "ollama/llama3"}, 0),
        ({"response_cost_failure_debug_info": {"error_str": "This model isn't mapped"}}, None),
        ({"response_cost_failure_debug_info": True}, None),
        ({"response_cost": None}, None),
        ({"response_cost": 0.5}, 0.5),
        ({"custom_llm_provider": "openai", "model": "gpt-4o"}, None),
        ({"custom_llm_provider": "openai", "completion_tokens": 0}, None),
        ({"custom_llm_provider": "openai", "prompt_tokens": 0}, None),
        ({"custom_llm_provider": "openai", "prompt_tokens": 0, "completion_tokens": 0}, 0),
    ],
)
def test_a_model_on_own_machines_may_cost_nothing(
    changes: dict[str, object], cost_usd: float | None
) -> None:
    assert event(**OWN | changes).cost_usd == cost_usd


IMAGE = {
    "call_type": "aimage_generation",
    "model": "openai/my-image-model",
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "response_cost": 0.0,
}


@pytest.mark.parametrize(
    ("changes", "cost_usd"),
    [
        ({"response_cost_failure_debug_info": {"error_str": "No pricing information"}}, None),
        ({"response_cost_failure_debug_info": True}, None),
        ({"response_cost_failure_debug_info": None}, 0),
        ({"response_cost_failure_debug_info": {}}, 0),
        ({"response_cost_failure_debug_info": True, "cache_hit": True}, 0),
        ({"response_cost_failure_debug_info": True, "response_cost": 0.04}, 0.04),
        ({"response_cost_failure_debug_info": True, "model": ""}, 0),
    ],
)
def test_an_image_without_a_price_is_not_free(
    changes: dict[str, object], cost_usd: float | None
) -> None:
    found = event(**IMAGE | changes)
    assert (found.operation, found.cost_usd) == ("images", cost_usd)


def test_cached_and_reasoning_tokens() -> None:
    found = with_metadata(
        usage_object={
            "prompt_tokens_details": {"cached_tokens": 4, "cache_creation_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 7},
        }
    )
    counted = (found.cached_input_tokens, found.cache_write_tokens, found.reasoning_tokens)
    assert counted == (4, 2, 7)


@pytest.mark.parametrize("bad", ["NaN", "-Infinity", "1e999", '"\\ud800"'])
def test_no_tag_of_a_client_hides_its_request_or_those_of_others(bad: str) -> None:
    texts = [json.dumps(PAYLOADS["success"] | {"request_tags": tags}) for tags in (["a"], ["?", 5])]
    body = f"[{texts[0]}, {texts[1]}]".replace('"?"', bad).encode()
    batch = parse(body, litellm.convert)
    assert (len(batch.events), batch.rejected) == (2, [])
    assert batch.events[1].event_id == event().event_id


@pytest.mark.parametrize("missing", ["id", "startTime", "status"])
def test_three_fields_are_needed(missing: str) -> None:
    payload = {name: value for name, value in PAYLOADS["success"].items() if name != missing}
    with pytest.raises(Refused) as refused:
        litellm.convert(json.dumps(payload).encode())
    assert (refused.value.reason, refused.value.detail) == (
        "missing_field",
        f"{missing} is missing",
    )


def test_nothing_else_is_needed() -> None:
    found = litellm.convert(b'{"id": "a", "startTime": 1767225600.5, "status": "success"}')
    assert (found.key_id, found.cost_usd, found.status) == (litellm.NO_KEY, None, 200)


@pytest.mark.parametrize("name", sorted(set(PAYLOADS["success"]) - {"id", "startTime", "status"}))
@pytest.mark.parametrize("value", ["text", -1, [1, {}], {"a": []}, True, 1e300])
def test_a_field_of_another_type_counts_as_absent(name: str, value: object) -> None:
    found = event(**{name: value})
    msgspec.json.decode(encode(found), type=UsageEvent)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": 5}, "wrong_type"),
        ({"status": "maybe"}, "out_of_range"),
        ({"startTime": "yesterday"}, "bad_time"),
        ({"startTime": [1]}, "bad_time"),
    ],
)
def test_required_fields_of_another_type_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        event(**change)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "time", ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00", 1767225600]
)
def test_times_of_older_versions(time: object) -> None:
    assert event(startTime=time).occurred_at == 1767225600.0


@pytest.mark.parametrize(
    "raw",
    [
        "sk-proj-abcdefghijkl",
        "AIzaSyA1234567890abcdef",
        "any secret of a custom proxy",
        "eyJhbGciOiJSUzI1NiJ9." + "A" * 300 + ".a-signature",
    ],
)
def test_a_raw_key_is_hashed_as_litellm_would(raw: str) -> None:
    found = with_metadata(user_api_key_hash=raw)
    assert found.key_id == hashlib.sha256(raw.encode()).hexdigest()


def test_an_alias_stands_in_for_a_missing_hash() -> None:
    found = with_metadata(user_api_key_hash=None, user_api_key_alias="team-a")
    assert found.key_id == "team-a"


def test_long_aliases_stay_apart() -> None:
    aliases = ["projects/acme/" + "x" * length + end for length in (120, 300) for end in "ab"]
    found = [with_metadata(user_api_key_hash=None, user_api_key_alias=each) for each in aliases]
    assert [each.key_id for each in found] == [
        "sha256:" + hashlib.sha256(each.encode()).hexdigest() for each in aliases
    ]


def test_a_client_cannot_choose_the_id_of_an_event() -> None:
    ids = {
        event().event_id,
        event(id="other").event_id,
        event(litellm_call_id="other").event_id,
        event(startTime=1.0).event_id,
        with_metadata(user_api_key_hash="0" * 64).event_id,
    }
    assert len(ids) == 5
    assert event().event_id == event(end_user="somebody else").event_id


LOOK = {"call_type": "aretrieve_batch", "id": "batch_1", "response_cost": 6.25}


def test_a_batch_is_billed_once_however_often_its_key_looks() -> None:
    looks = [{"litellm_call_id": f"c{number}", "startTime": 1.0 + number} for number in range(3)]
    assert len({event(**LOOK, **look).event_id for look in looks}) == 1
    others: list[dict[str, object]] = [
        {"id": "batch_2"},
        {"metadata": {"user_api_key_hash": "0" * 64}},
        {"call_type": "acompletion"},
    ]
    assert len({event(**LOOK | other).event_id for other in [{}, *others]}) == 4
    unbilled = LOOK | {"prompt_tokens": 0, "completion_tokens": 0, "response_cost": 0.0}
    assert len({event(**unbilled, **look).event_id for look in looks}) == 3


@pytest.mark.parametrize(
    ("call_type", "operation"),
    [
        ("acompletion", "chat"),
        ("aanthropic_messages", "chat"),
        ("anthropic_messages", "chat"),
        ("rerank", "rerank"),
        ("arerank", "rerank"),
        ("_arealtime", "realtime"),
        ("a_add_message", "add_message"),
        ("add_message", "add_message"),
        ("acreate_file", "create_file"),
        ("allm_passthrough_route", "llm_passthrough_route"),
        ("pass_through_endpoint", "pass_through_endpoint"),
        ("another", "another"),
        ("a", "a"),
    ],
)
def test_the_asynchronous_form_of_a_call_is_no_operation_of_its_own(
    call_type: str, operation: str
) -> None:
    assert event(call_type=call_type).operation == operation


def test_the_listing_of_models_is_told_apart() -> None:
    assert with_metadata(user_api_key_request_route="/v1/models").operation == "models.list"


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"origin": "https://app.example"}, "https://app.example"),
        ({"referer": "https://app.example/a?token=secret"}, "https://app.example"),
        ({"origin": "null"}, None),
        ({"origin": "http://[bad"}, None),
    ],
)
def test_of_an_origin_only_the_host_is_kept(headers: dict[str, str], origin: str | None) -> None:
    assert with_metadata(requester_metadata={"headers": headers}).origin == origin


def test_a_long_forwarded_list_keeps_its_right_end() -> None:
    found = event(requester_ip_address="1.1.1.1, " * 200 + "203.0.113.9")
    assert (found.client_ip or "").endswith(" 203.0.113.9")


SECRET = "sk-planted-0123456789abcdef"
PROMPT = "the planted prompt"


def _plant(payload: dict[str, Any]) -> bytes:
    """The payload with a prompt and a raw key wherever LiteLLM may put one."""
    planted = copy.deepcopy(payload)
    text = f"{PROMPT} {SECRET}"
    planted["messages"] = [{"role": "user", "content": text}]
    planted["response"] = {"choices": [{"message": {"content": text}}]}
    planted["error_str"] = text
    planted["error_information"] = {
        "error_code": "401",
        "error_message": text,
        "traceback": text,
    }
    planted["model_parameters"] = {"tools": [text]}
    planted["metadata"] |= {
        "requester_metadata": {"headers": {"authorization": f"Bearer {SECRET}", "x-a": text}},
        "requester_custom_headers": {"x-api-key": SECRET},
        "spend_logs_metadata": {"note": text},
    }
    for name in ("user_agent", "end_user", "model"):
        planted[name] = SECRET
    planted["request_tags"] = [SECRET]
    return json.dumps(planted).encode()


@pytest.mark.parametrize("case", sorted(PAYLOADS))
def test_neither_prompt_nor_secret_gets_through(case: str) -> None:
    (key, packed) = parse(_plant(PAYLOADS[case]), litellm.convert).packed()[0]
    assert b"planted" not in packed + key.encode()
    assert PROMPT.encode() not in packed


@pytest.mark.parametrize("case", sorted(PAYLOADS))
def test_neither_gets_into_a_dead_letter(case: str) -> None:
    payload = json.loads(_plant(PAYLOADS[case])) | {"status": "?", "id": SECRET}
    batch = parse(json.dumps(payload).encode(), litellm.convert)
    (letter,) = dead_letters(batch, "litellm", litellm.FIELDS, 1_790_000_000.0)
    kept = json.loads(msgspec.json.decode(f'"{letter.payload}"', type=bytes))
    assert "planted" not in json.dumps(kept)
    assert set(kept) <= litellm.FIELDS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(PAYLOADS["success"])), JSON, max_size=12))
def test_any_change_is_an_event_or_refused(changes: dict[str, object]) -> None:
    body = json.dumps(PAYLOADS["success"] | changes).encode()
    batch = parse(body, litellm.convert)
    assert len(batch.events) + len(batch.rejected) == 1
    for _, packed in batch.packed():
        msgspec.json.decode(packed, type=UsageEvent)
    dead_letters(batch, "litellm", litellm.FIELDS, 0.0)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_events_or_refused(body: bytes) -> None:
    batch = parse(body, litellm.convert)
    assert not batch.events
    dead_letters(batch, "litellm", litellm.FIELDS, 0.0)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_no_cut_goes_through_a_secret(secret: str) -> None:
    for start in range(TEXT_LENGTH_MAX - len(secret), TEXT_LENGTH_MAX):
        near, far = "a" * (start - 1), "b" * 5_000
        found = event(
            user_agent=f"{near} {secret} {far}", requester_ip_address=f"{far} {secret} {near}"
        )
        assert found.user_agent is not None
        assert found.client_ip is not None
        assert len(found.user_agent) == len(found.client_ip) == TEXT_LENGTH_MAX
        behind, before = found.user_agent[start:], found.client_ip[:-start]
        assert behind.startswith(MARK) or MARK.startswith(behind)
        assert before.endswith(MARK) or MARK.endswith(before)
