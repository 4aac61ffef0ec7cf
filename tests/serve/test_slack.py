import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from aiokafka.errors import KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st

from pipeline.serve.slack import BODY_BYTES_MAX, click_in
from tests.support.serving import Client, Clock, MemoryLog, app_of, serving

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1_795_500_000.0
PATH = "/v1/slack/interactions"
CLICK = {
    "type": "block_actions",
    "token": "verification-token",
    "trigger_id": "111.222.valid",
    "response_url": "https://hooks.slack.com/actions/T111/111/random-value",
    "user": {"id": "U1", "username": "somebody", "team_id": "T1"},
    "team": {"id": "T1"},
    "channel": {"id": "C1"},
    "container": {"message_ts": "111.222", "channel_id": "C1"},
    "actions": [{"action_id": "revoke", "value": "inc-1", "action_ts": "1.2", "type": "button"}],
}


def signed(body: bytes, at: float = NOW, secret: str = SECRET) -> dict[str, str]:
    base = b"v0:%d:%s" % (at, body)
    digest = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": str(int(at)),
        "X-Slack-Signature": f"v0={digest}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def form(payload: object) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


SLACK, FORGER = "3.3.3.3", "6.6.6.6"


@web.middleware
async def from_address(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let requests come from where they say; tests have one address only."""
    return await handler(request.clone(remote=request.headers.get("From-Address", FORGER)))


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
async def client(log: MemoryLog, clock: Clock) -> AsyncIterator[Client]:
    app = app_of(log, clock, slack={"signing_secret": SECRET})
    app.middlewares.append(from_address)
    async with serving(app) as client:
        yield client


async def status_of(client: Client, body: bytes, headers: dict[str, str]) -> int:
    async with client.post(PATH, data=body, headers=headers) as answer:
        return answer.status


async def test_a_click_goes_to_the_log_under_its_incident(client: Client, log: MemoryLog) -> None:
    body = form(CLICK)
    assert await status_of(client, body, signed(body)) == 200
    ((topic, key, value),) = log.records
    assert (topic, key) == ("slack-clicks", "inc-1")
    kept = json.loads(value)
    assert (kept["user"]["id"], kept["actions"][0]["action_id"]) == ("U1", "revoke")


async def test_what_somebody_could_use_at_slack_is_not_kept(client: Client, log: MemoryLog) -> None:
    body = form(CLICK)
    await status_of(client, body, signed(body))
    for secret in (b"verification-token", b"random-value", b"111.222.valid"):
        assert secret not in log.everything()


@pytest.mark.parametrize(
    "headers",
    [
        signed(form(CLICK), secret="another"),
        signed(form(CLICK), at=NOW - 301),
        signed(form(CLICK), at=NOW + 301),
        signed(form({"type": "block_actions"})),
        signed(form(CLICK)) | {"X-Slack-Signature": "v0=ä"},
        signed(form(CLICK)) | {"X-Slack-Request-Timestamp": "soon"},
        signed(form(CLICK)) | {"X-Slack-Request-Timestamp": "9" * 310},
        {},
    ],
)
async def test_an_unsigned_click_is_refused(
    client: Client, log: MemoryLog, headers: dict[str, str]
) -> None:
    assert await status_of(client, form(CLICK), headers) == 401
    assert not log.records


@pytest.mark.parametrize(
    "body",
    [
        form(CLICK | {"type": "view_submission"}),
        form(CLICK | {"actions": []}),
        form(CLICK | {"actions": [{"action_id": "link"}]}),
        form([1]),
        b"payload=nonsense",
        b"\xff",
        b"",
    ],
)
async def test_what_is_no_click_is_answered_and_ignored(
    client: Client, log: MemoryLog, body: bytes
) -> None:
    expected = 401 if body == b"\xff" else 200  # a signature is over text
    assert await status_of(client, body, signed(body)) == expected
    assert not log.records


@pytest.mark.parametrize("field", ["value", "action_ts"])
async def test_half_a_surrogate_pair_is_no_error(
    client: Client, log: MemoryLog, field: str
) -> None:
    action = {"action_id": "revoke", "value": "inc-1", field: "a\ud800"}
    body = form(CLICK | {"actions": [action]})
    assert await status_of(client, body, signed(body)) == 200
    (click,) = log.records
    assert json.loads(click[2])["actions"][0][field] == "a?"


async def test_slack_hears_when_the_log_is_away(client: Client, log: MemoryLog) -> None:
    log.failure = KafkaConnectionError("x")
    assert await status_of(client, form(CLICK), signed(form(CLICK))) == 503


async def test_a_large_body_is_refused(client: Client) -> None:
    body = b"x" * (BODY_BYTES_MAX + 1)
    assert await status_of(client, body, signed(body)) == 413


async def test_a_large_body_that_does_not_say_so_is_not_read_to_its_end(client: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            sent.append(BODY_BYTES_MAX)
            yield b"x" * BODY_BYTES_MAX

    sent: list[int] = []
    async with client.post(PATH, data=endless(), headers=signed(b"")) as answer:
        assert answer.status == 413
    assert len(sent) < 32


async def forged(client: Client, times: int, address: str = FORGER) -> list[int]:
    headers = signed(form(CLICK), secret="another") | {"From-Address": address}
    return [await status_of(client, form(CLICK), headers) for _ in range(times)]


async def clicks(client: Client, times: int, address: str = SLACK) -> list[int]:
    headers = signed(form(CLICK)) | {"From-Address": address}
    return [await status_of(client, form(CLICK), headers) for _ in range(times)]


async def test_who_forges_is_slowed_down_and_slack_is_not(client: Client, clock: Clock) -> None:
    assert await forged(client, 25) == [401] * 20 + [429] * 5
    assert await clicks(client, 50) == [200] * 50
    clock.now += 1
    assert await forged(client, 10) == [401] * 5 + [429] * 5
    async with client.get("/metrics") as answer:
        text = await answer.text()
    assert 'leakline_slack_clicks_total{outcome="refused"} 35.0' in text


async def test_who_forges_too_often_is_refused_before_a_body_arrives(client: Client) -> None:
    async def unending() -> AsyncIterator[bytes]:
        yield b"payload="
        await asyncio.Event().wait()

    await forged(client, 20)
    async with asyncio.timeout(20), client.post(PATH, data=unending()) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "60")


async def test_forgers_do_not_shut_out_who_has_clicked_from_their_address(client: Client) -> None:
    """As it is behind a proxy, whose address is everybody's."""
    assert await clicks(client, 1, FORGER) == [200]
    assert await forged(client, 50) == [401] * 50
    assert await clicks(client, 50, FORGER) == [200] * 50


async def test_without_a_signing_secret_there_is_no_endpoint(log: MemoryLog) -> None:
    async with serving(app_of(log)) as client:
        assert await status_of(client, form(CLICK), signed(form(CLICK), secret="")) == 404


@given(st.binary(max_size=200) | st.text(max_size=100).map(form))
def test_any_body_is_a_click_or_none(body: bytes) -> None:
    assert click_in(body) is None
