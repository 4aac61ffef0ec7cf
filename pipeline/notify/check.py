"""Whether Slack can be used as configured, said in one line each."""

from slack_sdk.errors import SlackApiError

from pipeline.config import Config, Slack
from pipeline.notify.slack_client import UNREACHABLE, code_of, header, web_client

SCOPES = ("chat:write",)
READING_SCOPES = ("channels:history", "groups:history")
"""One of them finds a message whose posting was not answered; without, it could come twice."""


async def check_slack(config: Config) -> list[str]:
    """What is wrong with the Slack section; asks `auth.test` when there is a token."""
    slack = config.slack
    if slack.token is None:
        if slack.fallback_webhook is None:
            return ["slack.token: without it, and without slack.fallback_webhook, nobody is told"]
        return []
    return [*_settings(slack), *await _token(slack)]


def _settings(slack: Slack) -> list[str]:
    lines = []
    if not slack.channel:
        lines.append("slack.channel: pages have nowhere to go")
    if not slack.allowed_users:
        lines.append("slack.allowed_users: empty, so no click acts")
    if slack.signing_secret is None and slack.app_token is None:
        lines.append(
            "slack.signing_secret: clicks need it (HTTP), or slack.app_token (Socket Mode)"
        )
    return lines


async def _token(slack: Slack) -> list[str]:
    """Ask Slack who we are and what we may do."""
    try:
        answer = await web_client(slack).auth_test()
    except SlackApiError as error:
        return [f"slack.token: Slack answers {code_of(error)}"]
    except UNREACHABLE as error:
        return [f"slack.base_url: Slack cannot be reached: {type(error).__name__}"]
    lines = []
    if slack.team_id is not None and answer.get("team_id") != slack.team_id:
        lines.append("slack.team_id: the token belongs to another workspace")
    return lines + _scopes(header(answer.headers, "x-oauth-scopes"))


def _scopes(granted: str | None) -> list[str]:
    if granted is None:
        return []
    scopes = {scope.strip() for scope in granted.split(",")}
    lines = [f"slack.token: lacks the scope {each}" for each in SCOPES if each not in scopes]
    if scopes.isdisjoint(READING_SCOPES):
        lines.append("slack.token: lacks channels:history (or groups:history)")
    return lines
