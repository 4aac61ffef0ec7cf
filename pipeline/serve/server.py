"""Runs the server in a process of its own, until it is told to stop."""

import asyncio
import logging
import threading
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web

from pipeline.config import Config, Slack
from pipeline.counts import Metrics
from pipeline.logs import log_to_stderr
from pipeline.metrics import SERVER_METRICS
from pipeline.notify.slack_client import web_client
from pipeline.notify.socket_mode import SocketModeListener
from pipeline.serve.app import build_app, click_sink
from pipeline.serve.connections import listen
from pipeline.serve.ports import IncidentReader
from pipeline.serve.reading import StoreReader
from pipeline.stopping import stop_signals
from pipeline.store import LaterStore, StoreError
from pipeline.workers.connection import UNREACHED, reach, unreachable
from pipeline.workers.producing import EventLog
from pipeline.workers.rights import SERVER
from pipeline.workers.topics_admin import BrokerError, check_topics

log: Final = logging.getLogger(__name__)

REQUEST_SECONDS_MAX: Final = 3.0
"""Requests under way have this long to end, and again to hear that they must."""
START_SECONDS_MAX: Final = 30.0
READY_SECONDS_MAX: Final = 1.0
"""Who asks whether we are ready does not wait for longer."""


def run_server(config: Config) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        BrokerError: the broker or the topics are not as they should be.
        ListenError: the address is taken, or none of ours.
    """
    log_to_stderr("serve", logging.WARNING)
    check_topics(config, SERVER)
    asyncio.run(_serve(config))


async def _serve(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as parts:
        events = EventLog(config.kafka)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await reach(config.kafka)
                await parts.enter_async_context(events)
        except UNREACHED as error:
            raise BrokerError(unreachable(config.kafka, error)) from None
        counts = Metrics(SERVER_METRICS)
        store = _reader(config)
        app = build_app(config, events, store, ready=lambda: _answers(config), counts=counts)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=REQUEST_SECONDS_MAX)
        await runner.setup()
        parts.push_async_callback(runner.cleanup)
        server = await listen(runner, config.serve.host, config.serve.port, counts)
        parts.callback(server.close)
        await _listen_to_slack(config.slack, events, parts)
        log.info("listening on %s", _address(server))
        await stop.wait()
        log.info("stopping")


async def _listen_to_slack(slack: Slack, events: EventLog, parts: AsyncExitStack) -> None:
    """Take clicks over Socket Mode, where Slack cannot reach this server."""
    if slack.app_token is None:
        return
    listener = SocketModeListener(slack.app_token, web_client(slack), click_sink(events))
    await listener.start()
    parts.push_async_callback(listener.stop)


def _reader(config: Config) -> IncidentReader | None:
    """The store, also while it is away: intake and clicks do not need it."""
    if config.store.host is None:
        if config.store.path.exists():
            log.warning("the embedded store belongs to the sink; the console shows nothing")
        return None
    store = LaterStore(config.store)
    threading.Thread(target=_look, args=(store,), daemon=True).start()  # a dead host takes long
    return StoreReader(store)


def _look(store: LaterStore) -> None:
    try:
        store.open()
    except StoreError as error:
        log.warning("store: %s; until it can be read the console shows nothing", error)


async def _answers(config: Config) -> bool:
    """Whether one of the brokers lets us in."""
    try:
        await reach(config.kafka, READY_SECONDS_MAX)
    except UNREACHED:
        return False
    return True


def _address(server: asyncio.Server) -> str:
    host, port, *_ = server.sockets[0].getsockname()
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"
