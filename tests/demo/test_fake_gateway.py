"""The stand-in for a gateway verifies by the library, and acts once for an id."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from standardwebhooks import Webhook

from pipeline.demo.fake_gateway import FakeGateway
from tests.support.samples import WEBHOOK_SECRET

BODY = json.dumps({"type": "key.revoke", "timestamp": "x", "data": {"key_id": "k1"}})


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    made = FakeGateway(WEBHOOK_SECRET)
    await made.start()
    yield made
    await made.stop()


def signed(body: str, secret: str = WEBHOOK_SECRET, age_seconds: float = 0.0) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body),
    }


async def post(gateway: FakeGateway, path: str, body: str, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(gateway.url + path, data=body, headers=headers) as response,
    ):
        return response.status


def test_the_published_vector_holds() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    made = Webhook(WEBHOOK_SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_an_id_acts_once(gateway: FakeGateway) -> None:
    for _ in range(3):
        assert await post(gateway, "/webhook", BODY, signed(BODY)) == 200
    assert gateway.revoked == {"k1"}
    assert gateway.effective == {"msg_1": 1}
    assert len(gateway.received) == 3


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(BODY + " "),
        signed(BODY, "whsec_" + "QUJD" * 10),
        signed(BODY, age_seconds=400),
        signed(BODY) | {"webhook-signature": "garbage"},
        signed(BODY) | {"webhook-id": "msg_2"},
    ],
)
async def test_what_is_not_signed_right_does_nothing(
    gateway: FakeGateway, headers: dict[str, str]
) -> None:
    for path in ("/webhook", "/status"):
        assert await post(gateway, path, BODY, headers) == 401
    assert gateway.revoked == set()
    assert len(gateway.rejected) == 2


async def test_litellm_calls_need_the_admin_key(gateway: FakeGateway) -> None:
    assert await post(gateway, "/key/block", '{"key": "h"}', {"Authorization": "Bearer x"}) == 401
    right = {"Authorization": f"Bearer {gateway.admin_key}"}
    assert await post(gateway, "/key/block", '{"key": "h"}', right) == 200
    assert gateway.revoked == {"h"}
