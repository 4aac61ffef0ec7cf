"""Connections are counted: one too many is closed before anything of it is read."""

import asyncio
import contextlib

from aiohttp import web

from pipeline.counts import Metrics
from pipeline.metrics import METRICS
from pipeline.serve.connections import listen
from tests.support.serving import MemoryLog, app_of

ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
GOOD = b"HTTP/1.1 200 OK\r\n"
MOST = 3


class Visitor:
    """Somebody with a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def asks(self) -> bytes:
        """The first line of the answer, empty when there is none."""
        self._writer.write(ASK)
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""

    async def leaves(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def visit(port: int) -> Visitor:
    return Visitor(*await asyncio.open_connection("127.0.0.1", port))


async def test_a_connection_too_many_is_closed_and_counted() -> None:
    counts = Metrics(METRICS)
    runner = web.AppRunner(app_of(MemoryLog()))
    await runner.setup()
    server = await listen(runner, "127.0.0.1", 0, counts, MOST)
    port = server.sockets[0].getsockname()[1]
    visitors = [await visit(port) for _ in range(MOST)]
    assert [await each.asks() for each in visitors] == [GOOD] * MOST
    one_more = await visit(port)
    assert await one_more.asks() == b""
    await one_more.leaves()
    assert b'refused_total{status="connection"} 1.0' in counts.render()
    await visitors.pop().leaves()
    assert runner.server is not None
    while len(runner.server.connections) == MOST:  # noqa: ASYNC110 - until the server hears of it
        await asyncio.sleep(0.01)
    visitors.append(await visit(port))
    assert await visitors[-1].asks() == GOOD
    for each in visitors:
        await each.leaves()
    server.close()
    await runner.cleanup()
