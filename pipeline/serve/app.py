"""The server's endpoints, put together."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.metrics import SERVER_METRICS
from pipeline.notify.signature import ClickSink
from pipeline.serve.bodies import json_text
from pipeline.serve.console import Console
from pipeline.serve.guard import ConsoleGuard
from pipeline.serve.intake import LOG_SECONDS_MAX, Intake
from pipeline.serve.ports import EventLog, IncidentReader
from pipeline.serve.readiness import Readiness, Ready
from pipeline.serve.slack import Interactions
from pipeline.serve.style import HEADERS
from schemas.topics import CLICKS

HEADER_BYTES_MAX: Final = 8190
"""Of the request line, and of each header."""
IDLE_SECONDS_MAX: Final = 75.0
"""For a request's headers to arrive, also the first ones: of connections there are not many."""


def build_app(
    config: Config,
    log: EventLog,
    store: IncidentReader | None = None,
    *,
    ready: Ready | None = None,
    counts: Metrics | None = None,
    now: Callable[[], float] = time.time,
) -> web.Application:
    """The application.

    Args:
        config: of which `serve` and Slack's signing secret are used.
        log: where events and clicks go.
        store: what the console shows; it says that there is nothing without one.
        ready: asked by `/readyz`, every few seconds at most; always ready without one.
        counts: the metrics that `/metrics` shows.
        now: Unix seconds.
    """
    serve, counts = config.serve, counts or Metrics(SERVER_METRICS)
    guard = ConsoleGuard(serve.console_token, serve.host)
    interactions = Interactions(config.slack.signing_secret, click_sink(log), counts, now)
    app = web.Application(
        middlewares=[_refuse_in_json],
        client_max_size=serve.body_bytes_max,
        handler_args={
            "auto_decompress": False,  # `bodies` does it
            "keepalive_timeout": IDLE_SECONDS_MAX,
            "max_line_size": HEADER_BYTES_MAX,
            "max_field_size": HEADER_BYTES_MAX,
        },
    )
    app.add_routes(Intake(serve, log, counts, now).routes())
    app.add_routes(Console(store, guard, counts, now).routes())
    app.router.add_post("/v1/slack/interactions", interactions.take)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz(Readiness(ready, now) if ready else None))
    app.router.add_get("/metrics", _metrics(counts))
    app.on_response_prepare.append(_add_headers)
    return app


def click_sink(log: EventLog) -> ClickSink:
    """What appends clicks to the log."""

    async def append(incident_id: str, interaction: bytes) -> None:
        async with asyncio.timeout(LOG_SECONDS_MAX):
            await log.send(CLICKS, incident_id, interaction)

    return append


async def _healthz(request: web.Request) -> web.Response:
    del request
    return web.Response(text="ok\n")


def _readyz(readiness: Readiness | None) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        del request
        if readiness is None or await readiness.ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="the log cannot be reached\n")

    return answer


def _metrics(counts: Metrics) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(
            body=counts.render(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    return answer


@web.middleware
async def _refuse_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what the library itself refuses, such as an unknown path, as everything else is said."""
    try:
        return await handler(request)
    except web.HTTPError as refused:
        if refused.content_type != "application/json":
            refused.text = json_text({"error": refused.text})
            refused.content_type = "application/json"
        raise


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers.update(HEADERS)
    response.headers["Server"] = "leakline"
