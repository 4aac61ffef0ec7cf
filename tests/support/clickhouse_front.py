"""ClickHouse's HTTP interface over the embedded engine, with faults on demand.

A stock clickhouse-connect client works against it: queries with bound parameters, settings,
inserts of native blocks, compression, basic authentication. `python -m
tests.support.clickhouse_front --port 0 --path DIR` runs one on its own and prints its port.
"""

import argparse
import asyncio
import base64
import gzip
import json
import re
import secrets
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import lz4.frame  # type: ignore[import-untyped]  # it has no types
import zstandard
from aiohttp import web

from pipeline.config import Store as StoreConfig
from pipeline.store.connect import connect

_NOT_SETTINGS = frozenset(
    {
        "query",
        "database",
        "user",
        "password",
        "default_format",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "quota_key",
        "compress",
        "decompress",
        "wait_end_of_query",
        "client_protocol_version",
        "role",
        "enable_http_compression",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "buffer_size",
    }
)
_INSERT = re.compile(
    rb"\s*INSERT\s+INTO\s+.*?\bFORMAT\s+(\w+)[ \t]*(?:\n|$)", re.IGNORECASE | re.DOTALL
)
_TARGET = re.compile(rb"\s*INSERT\s+INTO\s+(?P<table>\S+)\s*\((?P<columns>[^)]*)\)", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)")
_STATUS = {516: 403, 60: 404, 81: 404, 62: 400, 164: 403}
_BODY_BYTES_MAX = 1 << 30


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next requests that match."""

    kind: Literal["delay", "error", "error_half", "error_after", "cut", "cut_after"]
    """`error` answers 500 and `cut` closes the connection; the `_after` ones apply it first, and
    `_half` the first half of an insert."""
    times: int = 1
    seconds: float = 0.0
    """Of a delay."""
    code: int = 1002
    """ClickHouse's code of an error."""
    match: str = "INSERT"
    """Text in the statement; '' is in all."""


class Engine:
    """Statements on the embedded engine, each on a handle of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        # Loads the engine with its zone set, and keeps it open between requests.
        self._client = connect(StoreConfig(path=self._path))

    def close(self) -> None:
        self._client.close()

    def run(self, statement: bytes, params: Mapping[str, str]) -> bytes:
        """The answer's bytes.

        Raises:
            RuntimeError: ClickHouse's own message.
        """
        with self._handle(params) as handle:
            return self._statement(handle, statement, params)

    def run_half(self, statement: bytes, params: Mapping[str, str]) -> bytes:
        """Apply the first half of an insert, as a server does that ends between two blocks."""
        with self._handle(params) as handle:
            match = _TARGET.match(statement)
            assert match is not None, statement[:200]
            table, columns = match["table"].decode(), match["columns"].decode()
            kept = f"half_{secrets.token_hex(8)}"
            empty = f"SELECT {columns} FROM {table} LIMIT 0"  # noqa: S608 - our own names
            handle.query(f"CREATE TABLE {kept} ENGINE = Memory AS {empty}")
            self._statement(handle, statement.replace(match["table"], kept.encode(), 1), params)
            count = f"SELECT intDiv(count() + 1, 2) FROM {kept}"  # noqa: S608 - as above
            half = f"SELECT * FROM {kept} LIMIT ({count})"  # noqa: S608 - as above
            handle.query(f"INSERT INTO {table} ({columns}) {half}")
            handle.query(f"DROP TABLE {kept}")
        return b""

    @contextmanager
    def _handle(self, params: Mapping[str, str]) -> Iterator[Any]:
        """A session of its own, with the settings of a request."""
        import chdb  # noqa: PLC0415 - only after `connect` has set the zone

        handle = chdb.connect(str(self._path))
        try:
            if database := params.get("database"):
                handle.query(f"USE `{database}`")
            for name, value in params.items():
                if name not in _NOT_SETTINGS and not name.startswith("param_"):
                    handle.query(f"SET {name} = '{_escaped(value)}'")
            yield handle
        finally:
            handle.close()

    def _statement(self, handle: Any, statement: bytes, params: Mapping[str, str]) -> bytes:  # noqa: ANN401 - untyped
        insert = _INSERT.match(statement)
        if insert:
            sql = re.sub(rb"\bFORMAT\s+\w+\s*$", b"", insert.group(0).strip(), flags=re.IGNORECASE)
            with handle.send_insert(sql.decode(), insert.group(1).decode()) as writer:
                writer.append(statement[insert.end() :])
                writer.finish()
            return b""
        bound = {k.removeprefix("param_"): v for k, v in params.items() if k.startswith("param_")}
        form = params.get("default_format", "TabSeparated")
        answer = handle.query(statement.decode(), form, params=bound)
        return bytes(answer.bytes() or b"")


class Front:
    """The HTTP server, in a thread of its own."""

    def __init__(
        self,
        path: Path,
        *,
        user: str = "default",
        password: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.engine = Engine(path)
        self.faults: deque[Fault] = deque()
        self.statements: list[str] = []
        """The first line of every statement that was sent."""
        self.port = 0
        self._credentials = (user, password)
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._pool = ThreadPoolExecutor(4)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    def start(self, port: int = 0) -> None:
        """Listen on a port of the loopback; 0 takes a free one."""
        if not self._thread.is_alive():
            self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(port), self._loop).result(30)

    def refuse(self) -> None:
        """Stop listening: connections are refused until `start` with the same port."""
        asyncio.run_coroutine_threadsafe(self._unlisten(), self._loop).result(30)

    def stop(self) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._pool.shutdown()
        self.engine.close()

    def fail(self, kind: str, **more: Any) -> None:  # noqa: ANN401 - the fields of a fault
        """Let the next requests fail; see `Fault`."""
        self.faults.append(Fault(kind, **more))  # type: ignore[arg-type]  # a word of the Literal

    async def _listen(self, port: int) -> None:
        app = web.Application(client_max_size=_BODY_BYTES_MAX)
        app.router.add_get("/ping", self._ping)
        app.router.add_post("/faults", self._add_faults)
        app.router.add_route("*", "/", self._statement)
        self._runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", port, reuse_address=True, ssl_context=self._tls
        )
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def _unlisten(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _ping(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text="Ok.\n")

    async def _add_faults(self, request: web.Request) -> web.Response:
        for fault in await request.json():
            self.faults.append(Fault(**fault))
        return web.json_response([asdict(fault) for fault in self.faults])

    async def _statement(self, request: web.Request) -> web.Response:
        if not self._allowed(request):
            return _failure(
                "Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)"
            )
        body = _decompressed(await request.read(), request.headers.get("Content-Encoding", ""))
        query = request.query.get("query", "").encode()
        statement = query + b"\n" + body if query and body else query or body
        line = statement[:200].split(b"\n")[0].decode(errors="replace")
        self.statements.append(line)
        fault = self._next_fault(line)
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            fault = None
        return await self._run(request, statement, fault)

    async def _run(
        self, request: web.Request, statement: bytes, fault: Fault | None
    ) -> web.Response:
        if fault is None or fault.kind.endswith(("_after", "_half")):
            half = fault is not None and fault.kind.endswith("_half")
            run = self.engine.run_half if half else self.engine.run
            try:
                answer = await self._loop.run_in_executor(self._pool, run, statement, request.query)
            except RuntimeError as error:
                return _failure(str(error))
        if fault is None:
            return _answer(answer)
        if fault.kind.startswith("cut") and request.transport is not None:
            request.transport.abort()
        return _failure(f"Code: {fault.code}. DB::Exception: injected. (INJECTED)")

    def _next_fault(self, line: str) -> Fault | None:
        for place, fault in enumerate(self.faults):
            if fault.match in line:
                del self.faults[place]
                if fault.times > 1:
                    more = asdict(fault) | {"times": fault.times - 1}
                    self.faults.insert(place, Fault(**more))
                return fault
        return None

    def _allowed(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic":
            given = (request.query.get("user", "default"), request.query.get("password", ""))
        else:
            user, _, password = base64.b64decode(token).decode().partition(":")
            given = (user, password)
        return given == self._credentials


def _answer(body: bytes) -> web.Response:
    summary = {"read_rows": "0", "written_rows": "0"}
    headers = {"X-ClickHouse-Summary": json.dumps(summary), "X-ClickHouse-Timezone": "UTC"}
    return web.Response(body=body, headers=headers)


def _failure(message: str) -> web.Response:
    found = _CODE.search(message)
    code = int(found.group(1)) if found else 1002
    headers = {"X-ClickHouse-Exception-Code": str(code)}
    return web.Response(status=_STATUS.get(code, 500), text=message, headers=headers)


def _decompressed(body: bytes, encoding: str) -> bytes:
    if encoding == "lz4":
        return bytes(lz4.frame.decompress(body))
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return gzip.decompress(body) if encoding == "gzip" else body


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="ClickHouse's HTTP interface over chDB.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", type=Path, required=True)
    args = parser.parse_args()
    front = Front(args.path)
    front.start(args.port)
    print(front.port, flush=True)  # noqa: T201 - how the parent learns the port
    try:
        threading.Event().wait()
    finally:
        front.stop()


if __name__ == "__main__":
    main()
