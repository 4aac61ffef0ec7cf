import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import redaction
from schemas.redaction import MARK, may_hold_secret, public_key_id, scrub, scrub_text

SECRETS = {
    "openai": "sk-proj-" + "aB3_" * 12,
    "anthropic": "sk-ant-api03-" + "xY9-" * 20,
    "google": "AIza" + "S" * 35,
    "aws": "AKIA" + "QWERTY1234567890",
    "aws temporary": "ASIA" + "QWERTY1234567890",
    "groq": "gsk_" + "a1" * 20,
    "xai": "xai-" + "b2" * 20,
    "hugging face": "hf_" + "c3" * 17,
    "bedrock": "ABSK" + "QmVkcm9ja0FQSUtleS1hYmNkLWF0LTExMTExMTEx=",
    "bedrock for a day": "bedrock-api-key-" + "YmVkcm9jay5hbWF6b25hd3MuY29t==",
    "slack": "xoxb-" + "123456789012-abcdefABCDEF",
    "slack app": "xapp-1-A0123456789-1234567890123-" + "0a1b2c3d" * 8,
    "slack refresh": "xoxe-1-" + "My0xLWFiY2RlZg",
    "slack webhook": "hooks.slack.com/services/T01234567/B01234567/" + "aB3dE6gH9" * 2,
    "slack webhook, escaped": "hooks.slack.com\\/services\\/T01234567\\/B01234567\\/aB3dE6gH9",
    "slack webhook, encoded": "hooks.slack.com%2Fservices%2FT01234567%2FB01234567%2FaB3dE6gH9",
    "standard webhooks": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "standard webhooks, signing": "whsk_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "bearer": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc",
    "small bearer": "bearer eyJhbGciOiJIUzI1NiJ9.e30.abc",
    "bearer in an address": "Bearer%20eyJhbGciOiJIUzI1NiJ9.e30.abc",
    "bearer with a colon": "Bearer: eyJhbGciOiJIUzI1NiJ9.e30.abc",
}
NEAR_MISSES = [
    "task-1",
    "risk-assessment",
    "the-risk-assessment-and-desk-management-team",
    "task-6f1b9c52-77aa-4c0e-9d0f-2f6f3d1c5b7e",
    "task-6f1b9c5277aa4c0e9d0f2f6f3d1c5b7e",
    "task-01J9ZQ3K5V8W2X4Y6A7B9C0D1E",
    "task-proj-6f1b9c52-77aa-4c0e-9d0f-2f6f3d1c5b7e",
    "task-ProcessOrder-20240901-eu-west-1",
    "disk-20260901T101500Z-backup",
    "helpdesk-assistant-production-eu-1",
    "ask-service",
    "ASIAPACIFICREGION",
    "sk-",
    "AIza",
    "a prompt about AKIA",
    "Bearer of news",
    "bearer authentication is needed",
    "see hooks.slack.com/services",
    "bedrock-api-key-usage",
    "ABSKIPPED",
]


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_is_replaced_wherever_it_stands(secret: str) -> None:
    text = f'{{"user_agent": "curl with {secret}", "note": "{secret}"}}'
    assert may_hold_secret(text.encode())
    for clean in (scrub_text(text), scrub(text.encode()).decode()):
        assert secret not in clean
        assert clean.count(MARK) == 2


@pytest.mark.parametrize("before", [
    "key=", "\\n", "\\u0022", "\\u00ab", "\\xab", "%20", "%3D", "%AB", "_", "-", "prefix"
])  # fmt: skip
def test_a_secret_is_found_behind_other_text(before: str) -> None:
    assert scrub_text(before + SECRETS["openai"]) == before + MARK


@pytest.mark.parametrize("name", ["openai", "anthropic", "google", "aws"])
def test_a_long_secret_is_found_within_a_word(name: str) -> None:
    assert scrub_text("my" + SECRETS[name]) == "my" + MARK


@pytest.mark.parametrize("before", ["key", "apiKey", "token", "Bearer", "secret"])
def test_a_secret_is_found_behind_its_own_name(before: str) -> None:
    assert scrub_text(before + "sk-1234567") == before + MARK


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_what_only_resembles_a_secret_stays(text: str) -> None:
    assert scrub_text(text) == text


def test_a_long_text_of_near_misses_is_soon_read() -> None:
    text = "task-" * 150_000  # looked through to its end from each place: a quarter of an hour
    assert scrub(text.encode()).decode() == scrub_text(text) == text


@pytest.mark.parametrize("field", ["event_id", "key_id", "provider_key_id"])
@pytest.mark.parametrize("secret", ["openai", "aws"])
def test_an_id_in_a_payload_becomes_what_it_is_at_the_door(field: str, secret: str) -> None:
    held = f'prod"{SECRETS[secret]}'
    raw = json.dumps({field: held, "note": held}).encode()
    assert json.loads(scrub(raw)) == {field: public_key_id(held), "note": f'prod"{MARK}'}


@pytest.mark.parametrize("end", ["", '"', '\\ud800"', '\x00"', "\\"])
def test_an_id_that_cannot_be_read_is_scrubbed_like_any_text(end: str) -> None:
    raw = f'{{"event_id": "{SECRETS["openai"]}{end}'.encode()
    assert SECRETS["openai"].encode() not in scrub(raw)


@pytest.mark.parametrize("length", [0, 2 * redaction._LONG])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_the_cheap_test_sees_each_secret(secret: str, length: int) -> None:
    assert may_hold_secret(b"." * length + secret.encode())


@pytest.mark.parametrize("length", [0, 2 * redaction._LONG])
@given(st.binary(max_size=50), st.from_regex(redaction._SECRET), st.binary(max_size=50))
def test_the_cheap_test_never_hides_a_secret(
    length: int, before: bytes, secret: bytes, after: bytes
) -> None:
    assert may_hold_secret(before + b"." * length + secret + after)


@pytest.mark.parametrize("name", ["openai", "anthropic", "google", "aws", "groq", "xai"])
def test_a_raw_key_becomes_its_hash(name: str) -> None:
    secret = SECRETS[name]
    assert public_key_id(secret) == "sha256:" + hashlib.sha256(secret.encode()).hexdigest()


@pytest.mark.parametrize("before", [" ", "prod:", "litellm/", "\u200b"])
def test_an_id_that_holds_a_raw_key_becomes_a_hash(before: str) -> None:
    held = before + SECRETS["openai"]
    assert public_key_id(held) == "sha256:" + hashlib.sha256(held.encode()).hexdigest()


def test_a_public_id_stays() -> None:
    assert public_key_id("prod-app1") == "prod-app1"


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("place", [0, 1, 20_001, 40_000])
def test_a_secret_is_noticed_anywhere_in_a_long_message(secret: str, place: int) -> None:
    clean = b'{"user_agent": "tasks-runner", "tags": ["disk"]}\n' * 1_000
    assert not may_hold_secret(clean)
    assert may_hold_secret(clean[:place] + secret.encode() + clean[place:])
