"""Clicks over Socket Mode, for installations that Slack cannot reach over HTTP.

A click is acknowledged to Slack once it is in the log; until then Slack sends it again.
"""

import logging

import msgspec
from pydantic import SecretStr
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from pipeline.notify.clicks import read_click
from pipeline.notify.signature import ClickSink, interaction

log = logging.getLogger(__name__)


class SocketModeListener:
    """Feeds clicks from a web socket into the log."""

    def __init__(self, app_token: SecretStr, client: AsyncWebClient, sink: ClickSink) -> None:
        self._sink = sink
        self._client = SocketModeClient(
            app_token=app_token.get_secret_value(), web_client=client, logger=client.logger
        )
        self._client.socket_mode_request_listeners.append(self._take)

    async def start(self) -> None:
        """Connect; the client reconnects by itself from then on."""
        await self._client.connect()  # type: ignore[no-untyped-call]  # untyped there

    async def stop(self) -> None:
        """Disconnect."""
        await self._client.close()  # type: ignore[no-untyped-call]  # untyped there

    async def _take(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.type == "interactive":
            try:
                await self._feed(msgspec.json.encode(interaction(request.payload)))
            except ValueError as error:
                log.warning("an interaction is skipped: %s", error)
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    async def _feed(self, value: bytes) -> None:
        click = read_click(value)
        if click is not None:
            await self._sink(click.incident_id, value)
