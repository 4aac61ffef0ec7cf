"""How many connections there may be at once: what they bring is in memory before anybody looks.

Where there are too many, a stranger makes room for the next one: whoever has shown no token, and
has been here the longest. Who comes with one shows it at once, so that a crowd of silent strangers
shuts nobody out, and no address has to be counted, of which proxies have one for everybody.
"""

import asyncio
import os
from typing import Final, cast

from aiohttp import web

from pipeline.counts import Metrics
from pipeline.metrics import INTAKE_REFUSED
from pipeline.serve.protocol import Connection

CONNECTIONS_MAX: Final = 512
"""Give or take a burst of those that come in the same instant."""


class ListenError(Exception):
    """An address that cannot be listened on now. The text is one line."""


class _TurnedAway(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it without reading: who sends usage comes again."""
        cast("asyncio.Transport", transport).abort()


async def listen(
    runner: web.AppRunner,
    host: str,
    port: int,
    counts: Metrics,
    connections_max: int = CONNECTIONS_MAX,
) -> asyncio.Server:
    """Listen for a runner that is set up.

    Raises:
        ListenError: the address is taken, or none of ours.
    """
    handlers = runner.server
    if handlers is None:
        raise RuntimeError("the runner is not set up")

    def connected() -> asyncio.BaseProtocol:
        if len(handlers.connections) < connections_max:
            return Connection(handlers, counts)
        counts.add(INTAKE_REFUSED, "connection")
        there = (each for each in handlers.connections if isinstance(each, Connection))
        stranger = next((each for each in there if each.may_go), None)
        if stranger is None:
            return _TurnedAway()
        stranger.go()
        return Connection(handlers, counts)

    try:
        return await asyncio.get_running_loop().create_server(connected, host, port)
    except OSError as error:
        raise ListenError(f"serve: cannot listen on {host}:{port}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    # asyncio says the address once more; a name that is none of ours has no number of the system.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror or error)
