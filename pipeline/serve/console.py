"""Serves the console's pages."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from pipeline import metrics
from pipeline.counts import Metrics
from pipeline.serve.guard import ConsoleGuard, Rates
from pipeline.serve.html import Html
from pipeline.serve.pages import incident_detail, incident_list, message
from pipeline.serve.ports import IncidentReader, ReaderUnavailable
from pipeline.serve.protocol import note_known
from schemas.fields import IDENTIFIER_LENGTH_MAX

Page = Callable[[IncidentReader, web.Request], web.Response]
"""Reads and renders; runs in a thread."""

INCIDENTS_MAX: Final = 200
"""Incidents in the list."""
BEFORE_SECONDS: Final = 3600
AFTER_SECONDS: Final = 6 * 3600
"""Spend is drawn from an hour before an incident's opening to six hours after it."""


class Console:
    """The endpoints that people look at."""

    def __init__(
        self,
        reader: IncidentReader | None,
        guard: ConsoleGuard,
        counts: Metrics,
        now: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._guard = guard
        self._counts = counts
        self._strangers = Rates(1, 20, now)
        self._one = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """The list and the detail page."""
        return [
            web.get("/", self._guarded(_list)),
            web.get("/incidents/{incident_id}", self._guarded(_detail)),
        ]

    def _guarded(self, page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            response = self._refusal(request) or await self._show(page, request)
            self._counts.add(metrics.CONSOLE_REQUESTS, str(response.status))
            return response

        return answer

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._guard.allows(request.headers):
            note_known(request)
            return None
        if not self._strangers.allows(request.remote or ""):
            return _html(429, message("Too many attempts", "Come back in a minute."))
        if not self._guard.has_token:
            text = "The console can be read on its own machine only, until a token is configured."
            return _html(403, message("Closed", text))
        answer = _html(401, message("A token is needed", "Send it as the password."))
        answer.headers["WWW-Authenticate"] = 'Basic realm="leakline", charset="UTF-8"'
        return answer

    async def _show(self, page: Page, request: web.Request) -> web.Response:
        if self._reader is None:
            return _html(503, message("No store", "This process has no store to read from."))
        try:
            async with self._one:
                return await asyncio.to_thread(page, self._reader, request)
        except ReaderUnavailable:
            text = "Detection, paging and revocation go on without it."
            return _html(503, message("The store cannot be read", text))


def _list(reader: IncidentReader, request: web.Request) -> web.Response:
    del request
    return _html(200, incident_list(reader.incidents(INCIDENTS_MAX)))


def _detail(reader: IncidentReader, request: web.Request) -> web.Response:
    incident_id = request.match_info["incident_id"]
    incident = reader.incident(incident_id) if len(incident_id) <= IDENTIFIER_LENGTH_MAX else None
    if incident is None:
        text = "It may have been removed, or never was, or its row cannot be read: the log says so."
        return _html(404, message("Unknown incident", text))
    opened = incident.opened.timestamp()
    spend = reader.spend(incident.key_id, opened - BEFORE_SECONDS, opened + AFTER_SECONDS)
    verdicts, actions = reader.verdicts(incident_id), reader.actions(incident_id)
    return _html(200, incident_detail(incident, spend, verdicts, actions))


def _html(status: int, page: Html) -> web.Response:
    return web.Response(status=status, text=str(page), content_type="text/html", charset="utf-8")
