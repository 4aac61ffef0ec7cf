"""A connection of the server, and what it says of a request that cannot be read or answered.

The HTTP library would show what it could not read, in its answer and with a traceback in its log:
the secret of a header that is not quite one would stand in both.
"""

import asyncio
import logging
import traceback
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from pipeline.counts import Metrics
from pipeline.metrics import INTAKE_REFUSED
from pipeline.serve.bodies import json_text

log: Final = logging.getLogger(__name__)


class Connection(RequestHandler):
    """Speaks HTTP with one client."""

    __slots__ = ("_counts", "is_known")

    def __init__(self, server: web.Server, counts: Metrics) -> None:
        """As the server itself makes one."""
        settings = server._kwargs  # noqa: SLF001 - it shows them nowhere else
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
        self._counts = counts
        self.is_known = False
        """Whether it has shown a token or a signature."""

    @property
    def may_go(self) -> bool:
        """Whether it is a stranger's that could make room for somebody else."""
        return not (self.is_known or self.transport is None or self.transport.is_closing())

    def go(self) -> None:
        """Close it, whatever is under way on it."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer without a word of the request, and log without a word of the error."""
        del message
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        said = "the request is no HTTP that can be read"
        if status < 500:
            self._counts.add(INTAKE_REFUSED, str(status))
        else:
            said = "something is wrong here"
            if not isinstance(exc, ConnectionError):  # who leaves early is no news
                log.error("%s at %s", type(exc).__name__, _place(exc))
        answer = web.Response(
            status=status,
            text=json_text({"error": said}),
            content_type="application/json",
            headers={"Server": "leakline"},
        )
        answer.force_close()
        return answer


def note_known(request: web.Request) -> None:
    """Keep the connection of a request that showed a token or a signature."""
    if isinstance(request.protocol, Connection):
        request.protocol.is_known = True


def _place(error: BaseException | None) -> str:
    """The line that raised an error."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
