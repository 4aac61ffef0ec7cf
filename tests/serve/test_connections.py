"""Connections are counted: one too many is closed before anything of it is read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from pipeline.counts import Metrics
from pipeline.metrics import SERVER_METRICS
from pipeline.serve.connections import ListenError, listen
from tests.support.serving import MemoryLog, app_of

ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
SEND = (
    b"POST /v1/intake/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token-1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
)
GOOD = b"HTTP/1.1 200 OK"
MOST = 3


class Visitor:
    """Somebody with a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def says(self, request: bytes) -> None:
        self._writer.write(request)

    async def hears(self) -> bytes:
        """The first line of an answer, empty when there is none."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await self._reader.readexactly(int(length))
        except (ConnectionError, asyncio.IncompleteReadError):
            return b""
        return head.partition(b"\r\n")[0]

    async def asks(self, request: bytes = ASK) -> bytes:
        """The first line of the answer to a request."""
        self.says(request)
        return await self.hears()

    async def leaves(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def visit(port: int) -> Visitor:
    return Visitor(*await asyncio.open_connection("127.0.0.1", port))


@pytest.fixture
def counts() -> Metrics:
    return Metrics(SERVER_METRICS)


@pytest.fixture
async def port(counts: Metrics) -> AsyncIterator[int]:
    """Of a server with room for few."""
    runner = web.AppRunner(app_of(MemoryLog()))
    await runner.setup()
    server = await listen(runner, "127.0.0.1", 0, counts, MOST)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await runner.cleanup()


async def test_a_connection_too_many_is_closed_and_counted(port: int, counts: Metrics) -> None:
    visitors = [await visit(port) for _ in range(MOST)]
    assert [await each.asks(SEND) for each in visitors] == [GOOD] * MOST
    one_more = await visit(port)
    assert await one_more.asks() == b""
    await one_more.leaves()
    assert b'refused_total{status="connection"} 1.0' in counts.render()
    await visitors.pop().leaves()
    async with asyncio.timeout(30):
        while await (last := await visit(port)).asks() != GOOD:  # until the server hears of it
            await last.leaves()
    for each in (*visitors, last):
        await each.leaves()


@pytest.mark.parametrize("before", [b"", b"POST /v1/int", ASK, SEND.replace(b"n-1", b"n-9")])
async def test_strangers_shut_nobody_out(port: int, counts: Metrics, before: bytes) -> None:
    known = await visit(port)
    assert await known.asks(SEND) == GOOD
    strangers = []
    for _ in range(2 * MOST):
        strangers.append(await visit(port))
        strangers[-1].says(before)
        if before.endswith(b"[]"):
            assert b" 401 " in await strangers[-1].hears()
    late = await visit(port)
    assert await late.asks(SEND) == GOOD
    assert await known.asks(SEND) == GOOD, "who has shown a token keeps its connection"
    assert b'refused_total{status="connection"} 0.0' not in counts.render()
    for each in (known, late, *strangers):
        await each.leaves()


async def test_an_address_that_is_taken_is_named(port: int, counts: Metrics) -> None:
    runner = web.AppRunner(app_of(MemoryLog()))
    await runner.setup()
    with pytest.raises(ListenError, match=f"^serve: cannot listen on 127.0.0.1:{port}: "):
        await listen(runner, "127.0.0.1", port, counts, MOST)
    await runner.cleanup()
