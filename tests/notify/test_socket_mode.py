"""Clicks over a web socket land in the same topic, and are acknowledged after that."""

import asyncio

from pipeline.notify.clicks import read_click
from pipeline.notify.slack_client import web_client
from pipeline.notify.socket_mode import SocketModeListener
from tests.support.oncall import on_call


async def test_a_click_over_the_socket_is_taken_and_then_acknowledged() -> None:
    async with on_call() as loop:
        taken: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

        async def take(incident_id: str, value: bytes) -> None:
            await taken.put((incident_id, value))

        app_token = loop.config.slack.app_token
        assert app_token is not None
        listener = SocketModeListener(app_token, web_client(loop.config.slack), take)
        await listener.start()
        try:
            await loop.tell()
            async with asyncio.timeout(10):
                await loop.slack.connected.wait()
                await loop.slack.click_by_socket(loop.page, "acknowledge", "U1")
                incident_id, value = await taken.get()
                assert await loop.slack.acknowledged.get()
        finally:
            await listener.stop()
        click = read_click(value)
        assert click is not None
        assert incident_id == click.incident_id
        assert (click.button, click.user, click.incident_id) == ("acknowledge", "U1", "inc_1")
