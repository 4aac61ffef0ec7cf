"""Request bodies: how large, how long, and how compressed they may be.

Bodies are decompressed here and not by the HTTP library, which takes a gzip body that was cut
short for a whole one: its last events would be lost without a word.
"""

import asyncio
import zlib
from typing import Final

import msgspec
from aiohttp import web

READ_SECONDS_MAX: Final = 30.0
"""A body takes no longer than this to arrive."""
ENCODINGS: Final = {"": 0, "identity": 0, "gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
"""Content codings, with zlib's window bits; 0 for none."""
MEMBERS_MAX: Final = 64
"""A gzip body may have several members, but each costs a copy of the rest."""


class DamagedError(ValueError):
    """A body is not compressed as it says, or was cut short."""


class TooLargeError(ValueError):
    """A body is larger than allowed once it is decompressed."""


async def read_body(request: web.Request, bytes_max: int) -> bytes:
    """The body as it was sent.

    Raises:
        web.HTTPRequestEntityTooLarge: it is larger, whether or not it said so beforehand.
    """
    if (request.content_length or 0) > bytes_max:
        raise web.HTTPRequestEntityTooLarge(bytes_max, request.content_length or 0)
    try:
        async with asyncio.timeout(READ_SECONDS_MAX):
            return await request.clone(client_max_size=bytes_max).read()
    except TimeoutError:
        raise refusal(web.HTTPRequestTimeout, "the body took too long") from None


def inflate(body: bytes, encoding: str, size_max: int) -> bytes:
    """The body without its compression. Never holds more than `size_max` bytes of it.

    Raises:
        DamagedError: it is not compressed so, or not to its end.
        TooLargeError: there is more in it than `size_max`.
    """
    if not ENCODINGS[encoding]:
        return body
    parts: list[bytes] = []
    left = size_max
    for _ in range(MEMBERS_MAX):
        stream = zlib.decompressobj(ENCODINGS[encoding])
        try:
            part = stream.decompress(body, left + 1)
        except zlib.error:
            raise DamagedError("the body is not compressed as it says") from None
        left -= len(part)
        if left < 0:
            raise TooLargeError(f"more than {size_max} bytes once decompressed")
        if not stream.eof:
            raise DamagedError("the compressed body is cut short")
        parts.append(part)
        body = stream.unused_data
        if not body:
            return b"".join(parts)
    raise DamagedError(f"the body is compressed in more than {MEMBERS_MAX} pieces")


def refusal(
    kind: type[web.HTTPError], detail: str, retry_after: str = "", scheme: str = ""
) -> web.HTTPError:
    """An answer that says no, as JSON."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    if scheme:
        headers["WWW-Authenticate"] = scheme
    return kind(text=json_text({"error": detail}), content_type="application/json", headers=headers)


def unavailable(detail: str) -> web.HTTPError:
    """An answer that asks to come again in a few seconds."""
    return refusal(web.HTTPServiceUnavailable, detail, retry_after="5")


def json_text(value: object) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()
