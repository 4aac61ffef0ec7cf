"""Slack's client as it is used here: what it repeats, and how its errors and headers are read."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient

from pipeline.config import Slack
from pipeline.outgoing.http import retry_after

TIMEOUT_SECONDS = 10
WAIT_IN_PLACE_SECONDS = 2.0
"""A longer Retry-After is waited for by `tick`, while other incidents go on."""
UNREACHABLE: Final = (SlackClientError, aiohttp.ClientError, OSError, ValueError, AttributeError)
"""What a call raises when no answer of Slack's comes: the last is the client's own, of a proxy that
answers in plain text. An answer with an error is a `SlackApiError`, which is caught before."""


class BriefRateLimitHandler(AsyncRateLimitErrorRetryHandler):
    """Waits in place for a short Retry-After only."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        limited = await super()._can_retry_async(
            state=state, request=request, response=response, error=error
        )
        if response is None or not limited:
            return False
        wait = retry_after(header(response.headers, "retry-after"))
        return (wait or 0.0) <= WAIT_IN_PLACE_SECONDS


def web_client(slack: Slack) -> AsyncWebClient:
    """Slack's client, repeating nothing by itself but what Slack said it did not take.

    Its default, to repeat after a lost connection, would post twice.
    """
    return AsyncWebClient(
        token=slack.token.get_secret_value() if slack.token is not None else None,
        base_url=slack.base_url,
        timeout=TIMEOUT_SECONDS,
        retry_handlers=[BriefRateLimitHandler(max_retry_count=2)],
        logger=_quiet(),
    )


def _quiet() -> logging.Logger:
    """A logger that never takes down requests, which its client does at DEBUG."""
    logger = logging.getLogger("leakline.slack")
    logger.setLevel(logging.INFO)
    return logger


def code_of(error: SlackApiError) -> str:
    """What Slack calls an error, else the status."""
    data = getattr(error.response, "data", None)
    if isinstance(data, dict) and "error" in data:
        return str(data["error"])
    return f"HTTP {getattr(error.response, 'status_code', 0)}"


def header(headers: Mapping[str, Any] | None, name: str) -> str | None:
    """A header by its name in lower case; of several, the first."""
    found = next((text for each, text in (headers or {}).items() if each.lower() == name), None)
    return found[0] if isinstance(found, list) else found
