"""The stand-in for Slack speaks Slack's language: the stock client works, mistakes are refused."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import ActionsBlock, ButtonElement, HeaderBlock, SectionBlock
from slack_sdk.web.async_client import AsyncWebClient

from pipeline.demo.block_kit import refuses
from pipeline.demo.fake_slack import FakeSlack, Fault
from pipeline.notify.signature import interaction_from_request, verify_slack_signature


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    made = FakeSlack()
    await made.start()
    yield made
    await made.stop()


def client(slack: FakeSlack, token: str | None = None) -> AsyncWebClient:
    return AsyncWebClient(token=token or slack.token, base_url=slack.api_url)


BLOCKS = [
    HeaderBlock(text="A title"),
    SectionBlock(text="Some *text*"),
    ActionsBlock(elements=[ButtonElement(text="Go", action_id="go", value="inc_1")]),
]
METADATA = {"event_type": "e", "event_payload": {"incident_id": "inc_1"}}


async def test_messages_are_posted_updated_threaded_found_and_deleted(slack: FakeSlack) -> None:
    stock = client(slack)
    posted = await stock.chat_postMessage(
        channel="C1", text="hello", blocks=BLOCKS, metadata=METADATA
    )
    ts = posted["ts"]
    await stock.chat_postMessage(channel="C1", text="reply", thread_ts=ts)
    await stock.chat_update(channel="C1", ts=ts, text="changed", blocks=[])
    history = await stock.conversations_history(channel="C1", include_all_metadata=True)
    assert [each["text"] for each in history["messages"]] == ["changed"]
    assert history["messages"][0]["metadata"] == METADATA
    plain = await stock.conversations_history(channel="C1")
    assert "metadata" not in plain["messages"][0]
    replies = await stock.conversations_replies(channel="C1", ts=ts)
    assert [each["text"] for each in replies["messages"]] == ["reply", "changed"]
    await stock.chat_delete(channel="C1", ts=ts)
    assert slack.pages == []


async def test_history_comes_in_pages(slack: FakeSlack) -> None:
    stock = client(slack)
    for number in range(5):
        await stock.chat_postMessage(channel="C1", text=str(number))
    seen = [
        message["text"]
        async for page in await stock.conversations_history(channel="C1", limit=2)
        for message in page["messages"]
    ]
    assert seen == ["4", "3", "2", "1", "0"]


async def test_a_wrong_token_an_unknown_method_and_message_are_refused(slack: FakeSlack) -> None:
    with pytest.raises(SlackApiError, match="invalid_auth"):
        await client(slack, "xoxb-other").chat_postMessage(channel="C1", text="x")
    with pytest.raises(SlackApiError, match="unknown_method"):
        await client(slack).api_call("chat.shout")
    with pytest.raises(SlackApiError, match="message_not_found"):
        await client(slack).chat_update(channel="C1", ts="1.1", text="x")
    with pytest.raises(SlackApiError, match="thread_not_found"):
        await client(slack).chat_postMessage(channel="C1", text="x", thread_ts="1.1")
    assert slack.messages == []


def text(length: int) -> dict[str, str]:
    return {"type": "plain_text", "text": "x" * length}


def button(**changes: object) -> dict[str, object]:
    return {"type": "button", "action_id": "a", "text": text(5), "value": "v"} | changes


def actions(*elements: object) -> dict[str, object]:
    return {"type": "actions", "elements": list(elements)}


CONFIRM = {"title": text(5), "text": text(301), "confirm": text(5), "deny": text(5)}
TOO_MUCH: list[Any] = [
    [{"type": "divider"}] * 51,
    [{"type": "header", "text": text(151)}],
    [{"type": "section", "text": text(3001)}],
    [{"type": "section", "text": text(0)}],
    [{"type": "section"}],
    [{"type": "section", "fields": [text(2001)]}],
    [{"type": "section", "fields": [text(5)] * 11}],
    [{"type": "context", "elements": []}],
    [{"type": "context", "elements": [text(5)] * 11}],
    [actions()],
    [actions(*[button()] * 26)],
    [actions(button(text=text(76)))],
    [actions(button(value="v" * 2001))],
    [actions(button(confirm=CONFIRM))],
    [{"type": "carousel"}],
    ["text"],
    "text",
]


@pytest.mark.parametrize("blocks", TOO_MUCH)
def test_what_block_kit_refuses_is_refused(blocks: object) -> None:
    assert refuses({"text": "x", "blocks": blocks}) == "invalid_blocks"
    assert refuses({"text": "x", "attachments": [{"blocks": blocks}]}) == "invalid_blocks"


def test_totals_are_bounded_too() -> None:
    assert refuses({"blocks": [{"type": "section", "text": text(2900)}] * 5}) is not None
    assert refuses({"text": "x" * 40_001}) == "msg_too_long"
    assert refuses({}) == "no_text"
    assert refuses({"text": "x", "blocks": [{"type": "section", "text": text(3000)}]}) is None


async def test_a_click_is_signed_as_slack_signs(slack: FakeSlack) -> None:
    seen: list[tuple[bytes, dict[str, str]]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((await request.read(), dict(request.headers)))
        return web.Response()

    app = web.Application()
    app.router.add_post("/slack", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        await client(slack).chat_postMessage(channel="C1", text="hello", blocks=BLOCKS)
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack"
        assert await slack.click(slack.pages[0], "go", "U1", url) == 200
    finally:
        await runner.cleanup()
    ((body, headers),) = seen
    assert verify_slack_signature(body, headers, slack.signing_secret, slack.now())
    assert interaction_from_request(body)["actions"][0]["value"] == "inc_1"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", SlackApiError),
        ("500", SlackApiError),
        ("503", SlackApiError),
        ("internal_error", SlackApiError),
        ("cut", aiohttp.ServerDisconnectedError),
        ("cut-before", aiohttp.ServerDisconnectedError),
    ],
)
async def test_faults_reach_the_client(
    slack: FakeSlack, fault: Fault, error: type[Exception]
) -> None:
    slack.faults = [("chat.postMessage", fault)]
    stock = AsyncWebClient(token=slack.token, base_url=slack.api_url, retry_handlers=[])
    with pytest.raises(error):
        await stock.chat_postMessage(channel="C1", text="x")
    assert len(slack.messages) == (1 if fault == "cut" else 0)
