"""The endpoints that gateways send usage to.

A request is answered with 200 only after the broker has acknowledged everything in it: its events,
and a dead letter for each item that is none. A gateway that sees anything else sends it again,
and the event ids make that harmless.
"""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import web
from aiokafka.errors import KafkaError

from pipeline import metrics
from pipeline.config import Serve
from pipeline.counts import Metrics
from pipeline.intake import bedrock, litellm, native, openmeter, otel
from pipeline.intake.batch import Batch, Convert, dead_letters, parse
from pipeline.serve.bodies import (
    ENCODINGS,
    DamagedError,
    TooLargeError,
    inflate,
    json_text,
    read_body,
    refusal,
    unavailable,
)
from pipeline.serve.guard import Rates, Tokens
from pipeline.serve.ports import EventLog
from pipeline.serve.protocol import note_known
from schemas.codec import encode
from schemas.topics import DEAD_LETTERS

BODIES_MAX: Final = 64
"""Requests whose bodies are in memory at once."""
LOG_SECONDS_MAX: Final = 15.0
"""The broker takes no longer than this to acknowledge."""
LARGE_BYTES: Final = 256 * 1024
"""Bodies above this are parsed in a thread, so that others are answered meanwhile."""
_LETTERS_AT_ONCE: Final = 500

_CONTENT_TYPES: Final = frozenset(
    {
        "application/json",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
    }
)


@dataclass(frozen=True, slots=True)
class Format:
    """How the items of an endpoint become events."""

    name: str
    parse: Callable[[bytes, float], Batch]
    """A body, and when it came (Unix seconds)."""
    fields: frozenset[str]
    """What a dead letter keeps of a refused item."""
    path: str
    content_types: frozenset[str] = _CONTENT_TYPES


def _each(name: str, convert: Convert, fields: frozenset[str]) -> Format:
    """A format whose items become events one by one."""
    return Format(
        name,
        lambda body, arrived: parse(body, convert, arrived),
        fields,
        f"/v1/intake/{name}",
    )


FORMATS: Final = (
    Format("events", native.parse, native.FIELDS, "/v1/intake/events"),
    _each("litellm", litellm.convert, litellm.FIELDS),
    Format("otlp", otel.parse, otel.FIELDS, "/v1/intake/otlp/v1/traces"),
    Format(
        "openmeter",
        openmeter.parse,
        openmeter.FIELDS,
        "/v1/intake/openmeter",
        _CONTENT_TYPES | {"application/cloudevents+json", "application/cloudevents-batch+json"},
    ),
    _each("bedrock", bedrock.convert, bedrock.FIELDS),
)
"""Every endpoint of the intake."""


class Intake:
    """Takes requests in, and hands what they hold to the log."""

    def __init__(
        self, settings: Serve, log: EventLog, counts: Metrics, now: Callable[[], float]
    ) -> None:
        rate = settings.requests_per_second_max
        self._tokens = Tokens(settings.tokens)
        self._rates = Rates(rate, 2 * rate, now)
        self._strangers = Rates(5, 20, now)
        self._log = log
        self._counts = counts
        self._now = now
        self._size_max = settings.body_bytes_max
        self._bodies = 0

    def routes(self) -> list[web.RouteDef]:
        """An endpoint for each format."""
        return [web.post(form.path, partial(self._answer, form)) for form in FORMATS]

    async def _answer(self, form: Format, request: web.Request) -> web.Response:
        try:
            return await self._take(form, request)
        except web.HTTPException as refusal:
            self._counts.add(metrics.INTAKE_REFUSED, str(refusal.status))
            raise
        except Exception:  # the server answers 500, and says why in its log
            self._counts.add(metrics.INTAKE_REFUSED, "500")
            raise

    async def _take(self, form: Format, request: web.Request) -> web.Response:
        started = self._now()
        source = self._admit(request)
        encoding = _encoding(form, request)
        if self._bodies >= BODIES_MAX:
            raise unavailable("too many requests at once")
        self._bodies += 1
        try:
            body = await read_body(request, self._size_max)
            batch = await self._read(form, encoding, body, started)
            await self._hand_on(form, source, batch)
        finally:
            self._bodies -= 1
        self._counts.observe(metrics.INTAKE_SECONDS, form.name, value=self._now() - started)
        return _summary(batch)

    def _admit(self, request: web.Request) -> str:
        """The source whose token the request has."""
        source = self._tokens.source(request.headers.get("Authorization"))
        if source is None:
            if not self._strangers.allows(request.remote or ""):
                raise refusal(web.HTTPTooManyRequests, "too many attempts", "60")
            if not self._tokens:
                raise refusal(web.HTTPForbidden, "intake is closed: no token is configured")
            raise refusal(web.HTTPUnauthorized, "a bearer token is needed", scheme="Bearer")
        note_known(request)
        if not self._rates.allows(source):
            raise refusal(web.HTTPTooManyRequests, "too many requests", "1")
        return source

    async def _read(self, form: Format, encoding: str, body: bytes, arrived: float) -> Batch:
        read = partial(_read, form, body, encoding, self._size_max, arrived)
        if len(body) > LARGE_BYTES or encoding:
            return await asyncio.to_thread(read)
        return read()

    async def _hand_on(self, form: Format, source: str, batch: Batch) -> None:
        """Everything to the log, with its acknowledgement."""
        letters = dead_letters(batch, form.name, form.fields, self._now())
        for event in batch.events:
            event.source = event.source or source
        try:
            async with asyncio.timeout(LOG_SECONDS_MAX):
                if batch.events:
                    await self._log.send_packed(batch.packed())
                for at in range(0, len(letters), _LETTERS_AT_ONCE):
                    some = letters[at : at + _LETTERS_AT_ONCE]
                    await asyncio.gather(
                        *(self._log.send(DEAD_LETTERS, None, encode(letter)) for letter in some)
                    )
        except (KafkaError, OSError, TimeoutError):
            self._counts.add(metrics.INTAKE_UNAVAILABLE)
            raise unavailable("the log cannot be reached") from None
        self._counts.add(metrics.INTAKE_EVENTS, form.name, source, by=len(batch.events))
        for reason, number in batch.reasons().items():
            self._counts.add(metrics.INTAKE_REJECTED, form.name, reason, by=number)


def _encoding(form: Format, request: web.Request) -> str:
    """The content coding, once the headers are such that the body can be read."""
    # A body of which nobody said what it is, is read as what it should be.
    if request.headers.get("Content-Type") and request.content_type not in form.content_types:
        raise refusal(web.HTTPUnsupportedMediaType, "JSON or NDJSON is needed")
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise refusal(web.HTTPUnsupportedMediaType, "gzip, deflate or no compression is needed")
    return encoding


def _read(form: Format, body: bytes, encoding: str, size_max: int, arrived: float) -> Batch:
    try:
        return form.parse(inflate(body, encoding, size_max).removeprefix(BOM_UTF8), arrived)
    except DamagedError as error:
        raise refusal(web.HTTPBadRequest, str(error)) from None
    except TooLargeError as error:
        raise web.HTTPRequestEntityTooLarge(size_max, size_max + 1, text=str(error)) from None


def _summary(batch: Batch) -> web.Response:
    """What was taken; 400 when there were items and all of them were refused."""
    reasons = batch.reasons()
    summary = {
        "accepted": len(batch.events),
        "rejected": len(batch.rejected),
        "reasons": reasons,
    }
    status = 400 if reasons and not batch.events else 200
    return web.json_response(text=json_text(summary), status=status)
