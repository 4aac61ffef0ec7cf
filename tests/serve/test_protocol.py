"""What cannot be read or answered is said without a word of it, in the answer and in the log."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from pipeline.counts import Metrics
from pipeline.metrics import SERVER_METRICS
from pipeline.serve import app
from pipeline.serve.connections import listen
from tests.support.serving import MemoryLog, app_of

PLANTED = b"sk-planted-0123456789"
HEAD = b"POST /v1/intake/events HTTP/1.1\r\nHost: x\r\n"
UNREADABLE = {
    "a control character": HEAD + b"Authorization: Bearer " + PLANTED + b"\x00\r\n\r\n",
    "a space before the colon": HEAD + b"Authorization : Bearer " + PLANTED + b"\r\n\r\n",
    "no colon": HEAD + b"Authorization " + PLANTED + b"\r\n\r\n",
    "a long header": HEAD + b"Authorization: " + PLANTED + b"a" * 9000 + b"\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: %s\r\n" % (n, PLANTED) for n in range(200)) + b"\r\n",
    "a strange method": PLANTED + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a strange version": b"GET /" + PLANTED + b" HTTP/9.9\r\nHost: x\r\n\r\n",
    "a length that is none": HEAD + b"Content-Length: " + PLANTED + b"\r\n\r\n",
}


async def _break(request: web.Request) -> web.Response:
    raise RuntimeError(f"cannot use {request.headers['X-Key']}")


@pytest.fixture
def counts() -> Metrics:
    return Metrics(SERVER_METRICS)


@pytest.fixture
async def port(counts: Metrics) -> AsyncIterator[int]:
    breaking = app_of(MemoryLog())
    breaking.router.add_get("/broken", _break)
    runner = web.AppRunner(breaking)
    await runner.setup()
    server = await listen(runner, "127.0.0.1", 0, counts)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await runner.cleanup()


async def _answer(port: int, request: bytes) -> tuple[bytes, bytes]:
    """The first line of what comes back, and the rest of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    first, _, rest = (await reader.read()).partition(b"\r\n")
    writer.close()
    return first, rest


@pytest.mark.parametrize("request_", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_request_that_cannot_be_read_is_not_shown(
    port: int, counts: Metrics, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    first, rest = await _answer(port, request_)
    assert b" 400 " in first
    assert json.loads(rest.partition(b"\r\n\r\n")[2]).keys() == {"error"}
    for shown in (rest.decode(), caplog.text):
        assert PLANTED.decode() not in shown
        assert "aiohttp" not in shown
    assert "Traceback" not in caplog.text
    assert b'refused_total{status="400"} 1.0' in counts.render()


@pytest.mark.parametrize("sent", [b"", HEAD, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_who_sends_no_further_request_is_let_go(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(app, "IDLE_SECONDS_MAX", 0.1)
    runner = web.AppRunner(app_of(MemoryLog()))
    await runner.setup()
    server = await listen(runner, "127.0.0.1", 0, Metrics(SERVER_METRICS))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    writer.write(sent)
    async with asyncio.timeout(30):
        answer = await reader.read()
    assert (b" 200 " in answer) is (b"/healthz" in sent)
    writer.close()
    server.close()
    await runner.cleanup()


async def test_who_leaves_in_the_middle_of_a_body_is_no_error(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    head = HEAD + b"Authorization: Bearer token-1\r\nContent-Type: application/json\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + b"Content-Length: 100\r\n\r\n{}")
    await writer.drain()
    writer.close()
    assert b" 200 " in (await _answer(port, b"GET /healthz HTTP/1.0\r\nHost: x\r\n\r\n"))[0]
    assert not caplog.records


async def test_an_error_of_ours_is_a_line_that_names_the_place(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    ask = b"GET /broken HTTP/1.1\r\nHost: x\r\nX-Key: " + PLANTED + b"\r\n\r\n"
    first, rest = await _answer(port, ask)
    assert b" 500 " in first
    assert PLANTED not in rest
    (record,) = caplog.records
    assert record.getMessage().startswith(f"RuntimeError at {__file__}:")
    assert PLANTED.decode() not in caplog.text
    assert "Traceback" not in caplog.text
