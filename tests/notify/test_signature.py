"""Slack's signature, by the vendor's own example, and what is kept of a click."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.demo.fake_slack import FakeSlack
from pipeline.demo.slack_conversations import SlackMessage
from pipeline.notify.signature import interaction_from_request, verify_slack_signature

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
AT = 1531420618
VENDOR = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
CLICK = (
    b"payload=%7B%22type%22%3A%22block_actions%22%2C%22actions%22%3A%5B%7B%22action_id%22%3A"
    b"%22revoke%22%2C%22value%22%3A%22k1%22%7D%5D%7D"
)
VECTORS = [
    (VENDOR, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
    (CLICK, "v0=2ab4e298efe42da809848700089bf2404943fc55e99ab22c5f78dba943216bea"),
]


def headers(signature: str, at: object = AT) -> dict[str, str]:
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": signature}


@pytest.mark.parametrize(("body", "signature"), VECTORS)
def test_the_vectors_hold(body: bytes, signature: str) -> None:
    assert verify_slack_signature(body, headers(signature), SECRET, AT)
    assert verify_slack_signature(body, headers(signature), SecretStr(SECRET), AT + 299)
    lower = {name.lower(): value for name, value in headers(signature).items()}
    assert verify_slack_signature(body, lower, SECRET, AT)


@pytest.mark.parametrize(
    ("body", "sent", "secret", "now"),
    [
        (CLICK + b"x", headers(VECTORS[1][1]), SECRET, AT),
        (CLICK, headers(VECTORS[0][1]), SECRET, AT),
        (CLICK, headers(VECTORS[1][1]), "another secret", AT),
        (CLICK, headers(VECTORS[1][1]), SECRET, AT + 301),
        (CLICK, headers(VECTORS[1][1]), SECRET, AT - 301),
        (CLICK, headers(VECTORS[1][1], AT + 1), SECRET, AT),
        (CLICK, headers(VECTORS[1][1], "soon"), SECRET, AT),
        (CLICK, headers(VECTORS[1][1], "9" * 310), SECRET, AT),
        (CLICK, headers(VECTORS[1][1], "9" * 5000), SECRET, AT),
        (CLICK, headers("v0=é"), SECRET, AT),
        (CLICK, headers(""), SECRET, AT),
        (CLICK, {}, SECRET, AT),
        (b"\xff\xfe", headers(VECTORS[1][1]), SECRET, AT),
        (CLICK, headers(VECTORS[1][1]), " ", AT),
    ],
)
def test_what_slack_did_not_sign_is_refused(
    body: bytes, sent: dict[str, str], secret: str, now: float
) -> None:
    assert not verify_slack_signature(body, sent, secret, now)


def test_a_click_keeps_what_is_needed_and_no_secret() -> None:
    slack = FakeSlack()
    payload = slack.interaction(SlackMessage("C1", "1.2", {}), "revoke", "U1", value="inc_1")
    body, _ = slack.signed(payload)
    kept = interaction_from_request(body)
    assert kept["user"] == {"id": "U1", "team_id": "T111", "name": "U1", "username": "U1"}
    assert kept["channel"] == {"id": "C1"}
    assert kept["container"]["message_ts"] == "1.2"
    assert kept["actions"][0]["value"] == "inc_1"
    text = json.dumps(kept)
    for secret in ("verification-token", "trigger-secret", "response"):
        assert secret not in text


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=", b"payload=[]", b"payload={", b"x=1", b"\xff", b"payload=" + b"[" * 10_000],
)
def test_what_is_no_interaction_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(ValueError, match="no Slack interaction"):
        interaction_from_request(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
names = st.sampled_from(["user", "team", "channel", "container", "actions", "type", "x"])


@given(st.dictionaries(names, json_values))
def test_any_object_is_read_without_surprise(payload: dict[str, object]) -> None:
    kept = interaction_from_request(urlencode({"payload": json.dumps(payload)}).encode())
    assert isinstance(kept["actions"], list)
