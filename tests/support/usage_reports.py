"""Providers that report usage, on this machine: OpenAI's and Anthropic's wire formats."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from aiohttp import web

from pipeline.config import Poll
from pipeline.demo.listening import listen

ADMIN_KEY = "sk-admin-planted"
HOUR = 3600

Fault = Literal["401", "403", "404", "429", "503", "302", "broken", "slow", "cut", "huge"]


@dataclass(frozen=True)
class Used:
    """What a key used in an hour."""

    start: int
    key: str | None = "key_abc"
    model: str | None = "gpt-4o-mini-2024-07-18"
    uncached: int = 3000
    cached: int = 2000
    output: int = 1000
    requests: int = 5
    batch: bool = False

    def as_openai(self) -> dict[str, Any]:
        return {
            "object": "organization.usage.completions.result",
            "input_tokens": self.uncached + self.cached,
            "input_cached_tokens": self.cached,
            "input_audio_tokens": 0,
            "output_tokens": self.output,
            "num_model_requests": self.requests,
            "project_id": None,
            "api_key_id": self.key,
            "model": self.model,
            "batch": self.batch,
        }

    def as_embedding(self) -> dict[str, Any]:
        kept = ("input_tokens", "num_model_requests", "project_id", "api_key_id", "model")
        row = self.as_openai()
        return {"object": "organization.usage.embeddings.result"} | {k: row[k] for k in kept}

    def as_anthropic(self) -> dict[str, Any]:
        """Half of what is cached was read, the rest written to both caches."""
        read, week = self.cached // 2, self.cached // 4
        return {
            "uncached_input_tokens": self.uncached,
            "cache_creation": {
                "ephemeral_1h_input_tokens": week,
                "ephemeral_5m_input_tokens": self.cached - read - week,
            },
            "cache_read_input_tokens": read,
            "output_tokens": self.output,
            "server_tool_use": {"web_search_requests": 0},
            "api_key_id": self.key,
            "workspace_id": None,
            "model": self.model,
            "service_tier": "batch" if self.batch else "standard",
        }


@dataclass
class FakeProvider:
    """Start it, and let it be asked."""

    used: list[Used] = field(default_factory=list)
    embeddings: list[Used] = field(default_factory=list)
    admin_key: str = ADMIN_KEY
    faults: list[Fault] = field(default_factory=list)
    """One is taken for each request, while there are any."""
    retry_after: str | None = None
    endless: bool = False
    """There is always another page."""
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    """Path and query of every request whose key was right."""
    url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        routes = [
            web.get("/v1/organization/usage/completions", self._completions),
            web.get("/v1/organization/usage/embeddings", self._embeddings),
            web.get("/v1/organizations/usage_report/messages", self._messages),
        ]
        self._runner, self.url = await listen(routes, 0)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def poll(self, *providers: str, **changes: object) -> Poll:
        """Settings with which providers are asked here."""
        urls = {"openai_url": f"{self.url}/v1", "anthropic_url": self.url}
        keys = {f"{each}_admin_key": ADMIN_KEY for each in providers}
        return Poll.model_validate(urls | keys | changes)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        return await self._openai(request, self.used, Used.as_openai)

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        return await self._openai(request, self.embeddings, Used.as_embedding)

    async def _openai(
        self, request: web.Request, used: list[Used], form: Callable[[Used], dict[str, Any]]
    ) -> web.StreamResponse:
        key = request.headers.get("Authorization")
        early = await self._early(request, allowed=key == f"Bearer {self.admin_key}")
        if early is not None:
            return early
        start, end = (int(request.query[name]) for name in ("start_time", "end_time"))
        names = ("start_time", "end_time")
        return self._pages(request, (start, end), names, [(u, form(u)) for u in used], int)

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        versioned = "anthropic-version" in request.headers
        key = request.headers.get("x-api-key")
        early = await self._early(request, allowed=versioned and key == self.admin_key)
        if early is not None:
            return early
        times = [request.query[name] for name in ("starting_at", "ending_at")]
        start, end = (int(datetime.fromisoformat(each).timestamp()) for each in times)
        rows = [(used, used.as_anthropic()) for used in self.used]
        return self._pages(request, (start, end), ("starting_at", "ending_at"), rows, _rfc3339)

    async def _early(self, request: web.Request, *, allowed: bool) -> web.StreamResponse | None:
        if not allowed:
            return web.json_response({"error": {"message": "Incorrect API key"}}, status=401)
        query = {name: request.query.getall(name) for name in request.query}
        self.asked.append((request.path, query))
        fault = self.faults.pop(0) if self.faults else None
        return None if fault is None else await _faulty(fault, request, self.retry_after)

    def _pages(
        self,
        request: web.Request,
        asked: tuple[int, int],
        names: tuple[str, str],
        rows: list[tuple[Used, dict[str, Any]]],
        form: Callable[[int], object],
    ) -> web.Response:
        """The page of buckets that a cursor names; every hour has one, also without rows."""
        grouped = request.query.getall("group_by", request.query.getall("group_by[]", []))
        if request.query["bucket_width"] != "1h" or not {"api_key_id", "model"} <= set(grouped):
            return web.json_response({"error": {"message": "not as leakline asks"}}, status=400)
        start, end = asked
        count = int(request.query["limit"])
        first = start + HOUR * int(request.query.get("page", "page_+/=&0").partition("&")[2])
        last = min(end, first + HOUR * count)
        data = [
            {
                names[0]: form(hour),
                names[1]: form(hour + HOUR),
                "results": [row for used, row in rows if used.start == hour],
            }
            for hour in range(first, last, HOUR)
        ]
        more = last < end or self.endless
        cursor = f"page_+/=&{(last - start) // HOUR}" if more else None
        return web.json_response({"data": data, "has_more": more, "next_page": cursor})


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


async def _faulty(
    fault: Fault, request: web.Request, retry_after: str | None
) -> web.StreamResponse:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    if fault == "cut":
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    if fault.isdigit():
        headers |= {"Location": "/v1/organization/usage/completions"} if fault == "302" else {}
        return web.Response(status=int(fault), headers=headers)
    if fault == "broken":
        return web.Response(text='{"data": [', content_type="application/json")
    answer = web.StreamResponse()
    await answer.prepare(request)
    if fault == "huge":
        await answer.write(b" " * 1_000_000)
    else:
        await answer.write(b'{"data": ')
        await asyncio.sleep(3600)
    return answer


@asynccontextmanager
async def reporting(**changes: Any) -> AsyncIterator[FakeProvider]:  # noqa: ANN401 - its fields
    """A provider that runs meanwhile."""
    provider = FakeProvider(**changes)
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()
