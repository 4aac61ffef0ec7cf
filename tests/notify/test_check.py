"""What check-config says about Slack, one line each."""

from types import SimpleNamespace

import pytest
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError

from pipeline.config import Config, Slack
from pipeline.notify.check import _scopes, check_slack
from pipeline.notify.slack_client import code_of, header
from tests.support.oncall import on_call


async def test_a_good_configuration_has_nothing_to_say() -> None:
    async with on_call() as loop:
        assert await check_slack(loop.config) == []


async def test_every_mistake_has_its_line() -> None:
    async with on_call(channel="", allowed_users=[], team_id="T9") as loop:
        lines = await check_slack(loop.config)
        assert [line.split(":")[0] for line in lines] == [
            "slack.channel",
            "slack.allowed_users",
            "slack.team_id",
        ]


async def test_a_wrong_token_is_named_and_not_shown() -> None:
    async with on_call(token=SecretStr("xoxb-planted-secret")) as loop:
        (line,) = await check_slack(loop.config)
        assert line == "slack.token: Slack answers invalid_auth"


async def test_a_slack_that_is_not_there() -> None:
    async with on_call(base_url="http://127.0.0.1:9/api/") as loop:
        (line,) = await check_slack(loop.config)
        assert line.startswith("slack.base_url: Slack cannot be reached")


async def test_nobody_to_tell() -> None:
    assert len(await check_slack(Config(slack=Slack()))) == 1
    webhook = Slack(fallback_webhook=SecretStr("https://hooks.example/x"))
    assert await check_slack(Config(slack=webhook)) == []


@pytest.mark.parametrize(
    ("granted", "lacks"),
    [
        (None, []),
        ("chat:write, groups:history", []),
        ("channels:history", ["lacks the scope chat:write"]),
        ("chat:write", ["lacks channels:history (or groups:history)"]),
    ],
)
def test_a_scope_that_the_token_lacks_is_named(granted: str | None, lacks: list[str]) -> None:
    assert _scopes(granted) == [f"slack.token: {each}" for each in lacks]


def test_an_answer_that_names_no_error_is_told_by_its_status() -> None:
    page = SimpleNamespace(status_code=503, data="<html>")
    assert code_of(SlackApiError("", page)) == "HTTP 503"  # type: ignore[no-untyped-call]  # untyped there
    assert header({"Retry-After": ["7", "9"]}, "retry-after") == "7"
    assert header(None, "retry-after") is None
