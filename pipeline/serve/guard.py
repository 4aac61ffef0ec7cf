"""Who may come in: bearer tokens, the console's token, and how often."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Final

from pydantic import SecretStr

CALLERS_MAX: Final = 10_000
"""Callers whose rate is remembered; beyond it everybody starts anew."""
_PROXY_HEADERS: Final = frozenset({"forwarded", "via", "x-real-ip"})


class Tokens:
    """Bearer tokens by source. Only their hashes are kept."""

    def __init__(self, tokens: Mapping[str, SecretStr]) -> None:
        """Take the configured tokens; several of one source are separated by commas."""
        self._hashes = [
            (source, _hash(token.strip()))
            for source, secret in tokens.items()
            for token in secret.get_secret_value().split(",")
            if token.strip()
        ]

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def source(self, authorization: str | None) -> str | None:
        """Whose token a header holds. Every token is compared, so time tells nothing."""
        given = _hash(_bearer(authorization))
        found = None
        for source, known in self._hashes:
            if hmac.compare_digest(given, known):
                found = source
        return found


class Rates:
    """A token bucket for each caller."""

    def __init__(self, per_second: float, burst: float, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}

    def allows(self, caller: str) -> bool:
        """Whether one more request is within the caller's rate."""
        now = self._now()
        left, since = self._buckets.get(caller, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - since) * self._per_second)
        if len(self._buckets) >= CALLERS_MAX and caller not in self._buckets:
            self._buckets.clear()
        self._buckets[caller] = (left - 1 if left >= 1 else left, now)
        return left >= 1


class ConsoleGuard:
    """Lets people read the console: with the token, or on this machine alone when none is set."""

    def __init__(self, token: SecretStr | None, host: str) -> None:
        value = token.get_secret_value() if token else ""
        self._token = _hash(value) if value else None
        self._local = is_loopback(host)

    @property
    def has_token(self) -> bool:
        """Whether there is a token to ask for."""
        return self._token is not None

    def allows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request may see incidents.

        Without a token, the Host must be this machine's too: a page elsewhere can point its own
        name at 127.0.0.1. What a proxy passes on comes from anywhere, whatever its Host.
        """
        if self._token is None:
            is_here = self._local and is_loopback(_host_of(headers.get("Host", "")))
            return is_here and not _is_passed_on(headers)
        authorization = headers.get("Authorization")
        given = _basic(authorization) or _bearer(authorization)
        return hmac.compare_digest(_hash(given), self._token)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host_of(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def _is_passed_on(headers: Mapping[str, str]) -> bool:
    """Whether a proxy says that it has a request from somebody else."""
    names = (name.lower() for name in headers)
    return any(name in _PROXY_HEADERS or name.startswith("x-forwarded-") for name in names)


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _basic(authorization: str | None) -> str:
    """The password of HTTP Basic, which is how a browser sends the token."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
