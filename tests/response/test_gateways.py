"""Both adapters against a gateway that verifies by the book."""

import json
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from pipeline.config import Gateway
from pipeline.demo.fake_gateway import FakeGateway
from pipeline.demo.fake_gateway import Fault as GatewayFault
from pipeline.response.adapters import adapters
from pipeline.response.gateway import Adapter
from pipeline.response.litellm import LiteLLMGateway
from pipeline.response.webhook import WebhookGateway, signing_key
from tests.support.oncall import ADMIN_KEY, Clock
from tests.support.samples import KEY_ID, WEBHOOK_SECRET, action

HASH = KEY_ID.removeprefix("sha256:")
LOOPBACK = ["127.0.0.0/8"]


@pytest.fixture
async def server() -> AsyncIterator[FakeGateway]:
    made = FakeGateway(WEBHOOK_SECRET, admin_key=ADMIN_KEY)
    await made.start()
    yield made
    await made.stop()


def webhook(server: FakeGateway, **changes: object) -> Gateway:
    settings: dict[str, object] = {
        "name": "edge",
        "url": f"{server.url}/webhook",
        "probe_url": f"{server.url}/status",
        "secret": WEBHOOK_SECRET,
        "timeout_seconds": 10.0,
        "allowed_networks": LOOPBACK,
    }
    return Gateway.model_validate(settings | changes)


def litellm(server: FakeGateway, **changes: object) -> Gateway:
    settings: dict[str, object] = {
        "name": "proxy",
        "kind": "litellm",
        "url": server.url + "/",
        "secret": ADMIN_KEY,
        "timeout_seconds": 10.0,
        "allowed_networks": LOOPBACK,
    }
    return Gateway.model_validate(settings | changes)


def both(server: FakeGateway, **changes: object) -> list[Adapter]:
    return [
        WebhookGateway(webhook(server, **changes)),
        LiteLLMGateway(litellm(server, **changes)),
    ]


async def test_a_revocation_is_obeyed_and_the_probe_sees_it(server: FakeGateway) -> None:
    now = Clock()()
    for adapter in both(server):
        server.revoked.clear()
        server.effective.clear()
        assert adapter.objection(action()) is None
        assert await adapter.works(action(), now) is True
        sent = await adapter.act(action(), now)
        assert (sent.outcome, sent.http_status) == ("delivered", 200)
        assert await adapter.works(action(), now) is False
        sent = await adapter.act(action(kind="restore", action_id="act_2"), now)
        assert sent.outcome == "delivered"
        assert await adapter.works(action(), now) is True


async def test_the_webhook_has_the_documented_shape(server: FakeGateway) -> None:
    await WebhookGateway(webhook(server)).act(action(), Clock()())
    ((message_id, event),) = server.received
    assert message_id == "act_1"
    assert event["type"] == "key.revoke"
    assert event["timestamp"].endswith("Z")
    assert event["data"] == {
        "action_id": "act_1",
        "key_id": KEY_ID,
        "kind": "revoke",
        "incident_id": "inc_1",
        "reason": "requested by a person",
    }


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("slack:U1", "requested by a person"),
        ("console:anna", "requested by a person"),
        ("policy:at-once", "requested by policy:at-once"),
    ],
)
async def test_a_gateway_is_told_the_rule_and_no_persons_name(
    server: FakeGateway, by: str, said: str
) -> None:
    await WebhookGateway(webhook(server)).act(action(requested_by=by), Clock()())
    ((_, event),) = server.received
    assert event["data"]["reason"] == said
    assert "anna" not in json.dumps(event)


async def test_litellm_gets_the_hash_alone(server: FakeGateway) -> None:
    await LiteLLMGateway(litellm(server)).act(action(), Clock()())
    assert server.received == [(f"key.revoke:{HASH}", {"key": HASH})]


FAULTS: list[tuple[GatewayFault, str]] = [
    ("500", "retry"),
    ("503", "retry"),
    ("429", "retry"),
    ("404", "refused"),
    ("time-out", "retry"),
    ("cut", "retry"),
    ("cut-before", "retry"),
]


@pytest.mark.parametrize(("fault", "outcome"), FAULTS)
async def test_faults_are_told_apart(
    server: FakeGateway, fault: GatewayFault, outcome: str
) -> None:
    # Only a gateway that never answers is waited for in vain: others may be slow.
    for adapter in both(server, **({"timeout_seconds": 0.3} if fault == "time-out" else {})):
        server.faults = [fault]
        assert (await adapter.act(action(), Clock()())).outcome == outcome


async def test_a_key_that_litellm_does_not_know(server: FakeGateway) -> None:
    server.keys = set()
    sent = await LiteLLMGateway(litellm(server)).act(action(), Clock()())
    assert (sent.outcome, sent.http_status) == ("refused", 404)


async def test_wrong_secrets_are_refused_by_the_gateway(server: FakeGateway) -> None:
    other = "whsec_" + "QUJD" * 10
    for adapter in (
        WebhookGateway(webhook(server, secret=other)),
        LiteLLMGateway(litellm(server, secret="sk-wrong")),
    ):
        sent = await adapter.act(action(), Clock()())
        assert (sent.outcome, sent.http_status) == ("refused", 401)
    assert server.received == []


async def test_without_an_allow_list_this_machine_is_out_of_reach(server: FakeGateway) -> None:
    for adapter in (
        WebhookGateway(webhook(server, allowed_networks=[])),
        LiteLLMGateway(litellm(server, allowed_networks=[])),
    ):
        sent = await adapter.act(action(), Clock()())
        assert sent.outcome == "refused"
        assert "not public" in sent.detail
        assert await adapter.works(action(), Clock()()) is None
    assert server.rejected == []


def test_litellm_objects_to_what_it_cannot_do() -> None:
    gateway = Gateway(name="p", kind="litellm", url="https://x", secret=SecretStr("sk-a"))
    adapter = LiteLLMGateway(gateway)
    assert adapter.objection(action(kind="throttle")) is not None
    assert adapter.objection(action(key_id="an-alias")) is not None
    assert adapter.objection(action(key_id=HASH)) is None


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "planted", "whsec_é"])
def test_weak_secrets_are_refused_and_not_shown(secret: str) -> None:
    gateway = Gateway(name="edge", url="https://x", secret=SecretStr(secret))
    with pytest.raises(ValueError, match="at least 24 bytes") as caught:
        adapters([gateway])
    assert secret.removeprefix("whsec_") not in str(caught.value) or secret == "whsec_"


def test_unpadded_base64_is_a_secret() -> None:
    gateway = Gateway(
        name="e", url="https://x", secret=SecretStr("whsec_" + "QUJDREVGR0g" * 3 + "QU")
    )
    assert len(signing_key(gateway)) >= 24
