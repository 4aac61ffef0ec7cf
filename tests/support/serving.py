"""A server in the test's own process, with a log that remembers or fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from pipeline.config import Config
from pipeline.serve.app import build_app
from schemas.topics import Topic

NOW = 1_795_500_000.0
"""A day after the payloads in `tests/data` were captured."""
Client = TestClient[web.Request, web.Application]


class MemoryLog:
    """Takes what it is given, or raises `failure`."""

    def __init__(self) -> None:
        self.events: list[tuple[str, bytes]] = []
        self.records: list[tuple[str, str | None, bytes]] = []
        self.failure: Exception | None = None

    async def send_packed(self, events: list[tuple[str, bytes]]) -> None:
        if self.failure is not None:
            raise self.failure
        self.events += events

    async def send(self, topic: Topic, key: str | None, value: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.records.append((topic.name, key, value))

    def bodies(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body) for _, body in self.events]

    def everything(self) -> bytes:
        return repr((self.events, self.records)).encode()


class Clock:
    """A time that tests set."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[Client]:
    async with TestClient(TestServer(app)) as client:
        yield client


def app_of(log: MemoryLog, clock: Clock | None = None, **sections: object) -> web.Application:
    """An application with a token of the source `gw`."""
    serve = {"tokens": {"gw": "token-1, token-2"}} | dict(
        msgspec.to_builtins(sections.pop("serve", {}))
    )
    config = Config.model_validate(sections | {"serve": serve})
    return build_app(config, log, now=clock or Clock())
