"""One guarded HTTP request: no redirects, bounded in time and size, no secret in any error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import aiohttp

from pipeline.config import Network
from pipeline.outgoing.egress import GuardedSockets

ANSWER_BYTES_MAX = 64 * 1024
RETRY_AFTER_SECONDS_MAX = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said."""

    status: int
    body: bytes
    retry_after_seconds: float | None = None


class UnreachableError(Exception):
    """No answer came. Whether the other side acted is not known."""


class ForbiddenAddressError(Exception):
    """The host is, or resolves to, an address that requests must not go to."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send, and where to."""

    method: Literal["GET", "POST"]
    url: str = field(repr=False)
    """It never appears in an error, since it may hold a secret."""
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    body: bytes | None = field(repr=False, default=None)


async def send(
    request: Request,
    *,
    timeout_seconds: float,
    allowed: Sequence[Network] | None,
    answer_bytes_max: int = ANSWER_BYTES_MAX,
) -> Answer:
    """Send one request.

    Args:
        request: the request.
        timeout_seconds: for all of it.
        allowed: networks that are open besides public addresses, and alone so for plain http;
            None: everything is.
        answer_bytes_max: what is left of an answer's body that is longer.

    Raises:
        ForbiddenAddressError: the address is refused; nothing was sent.
        UnreachableError: no answer.
    """
    plain = request.url.lower().startswith("http:")
    guard = None if allowed is None else GuardedSockets(allowed, plain=plain)
    try:
        return await _exchange(request, timeout_seconds, guard, answer_bytes_max)
    except TimeoutError:
        raise UnreachableError(f"no answer within {timeout_seconds:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if guard is not None and guard.refused is not None:
            raise ForbiddenAddressError(guard.refused) from None
        raise UnreachableError(_plain(error)) from None


async def _exchange(
    request: Request, timeout_seconds: float, guard: GuardedSockets | None, bytes_max: int
) -> Answer:
    connector = aiohttp.TCPConnector(use_dns_cache=False, socket_factory=guard)
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
        ) as response,
    ):
        body = await _read(response, bytes_max)
        return Answer(response.status, body, retry_after(response.headers.get("Retry-After")))


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """The beginning of an answer's body."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= bytes_max:
            break
    return bytes(body[:bytes_max])


def retry_after(text: str | None) -> float | None:
    """Seconds in a Retry-After header, bounded; its date form is not used."""
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(float(text), RETRY_AFTER_SECONDS_MAX)


def _plain(error: Exception) -> str:
    """An error in words that hold neither address nor secret."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.os_error.strerror or type(error.os_error).__name__}"
    return type(error).__name__
