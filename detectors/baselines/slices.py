"""The kinds of request that a key makes: who, from where, with what, for what, with which outcome.

Events are counted per slice, so that all that looks at facets runs once per kind of request and
not once per request.
"""

import re
from functools import lru_cache
from typing import Final, Literal, Protocol

from msgspec import Struct

Outcome = Literal["ok", "auth", "missing", "limited", "invalid", "failed", "revoked"]
_OUTCOMES: Final[dict[int, Outcome]] = {
    401: "auth",
    403: "auth",
    404: "missing",
    429: "limited",
}
REFUSED: Final[frozenset[Outcome]] = frozenset(("auth", "missing", "revoked"))
"""Outcomes of requests that were not let in: nothing is learnt from them."""
BLAMED: Final = REFUSED | {"invalid"}
"""Outcomes that the client is to blame for; 429 and 5xx are the provider's weather."""
_BROWSERS = re.compile(
    r"Mozilla/5\.0 .*(?:AppleWebKit|Gecko)|okhttp|CFNetwork|Alamofire|Dalvik|Dart/|ReactNative"
    r"|\bExpo/|UnityPlayer|\([^)]*\b(?:Android(?! Studio)|iOS|iPhone|iPad)\b|\b(?:Android|iOS)/\d",
    re.IGNORECASE,
)
"""Browsers, and apps on people's devices, which hold whatever key they were shipped with."""
_PRODUCT = re.compile(
    r"(?:Mozilla/5\.0 \(compatible; )?"
    r"([A-Za-z][\w.\-]{0,30})(?:/([A-Za-z][\w\-]{0,20}))?",
    re.ASCII,
)
OVERFLOW: Final = "\t\t\t\t\t"
"""The slice of what was over the limit of slices."""
TEXT_BYTES_MAX: Final = 64
"""Of a model's or an operation's name: clients choose them, and a state holds many."""


class Place(Protocol):
    """Where a request came from (see `pipeline.enrich.sources.Source`)."""

    @property
    def prefix(self) -> str: ...
    @property
    def country(self) -> str | None: ...
    @property
    def network(self) -> str | None: ...
    @property
    def asn(self) -> int | None: ...
    @property
    def kind(self) -> str | None: ...
    @property
    def digest(self) -> int: ...


class Slice(Struct, frozen=True, gc=False):
    """A kind of request."""

    ip: str
    client: str
    """Family of the user agent, without versions."""
    model: str
    operation: str
    outcome: Outcome
    exposed: bool
    """From a browser or a mobile app: an Origin, or such a user agent."""
    named: bool = False
    """An end user was named."""

    @property
    def token(self) -> str:
        """A text that identifies the slice and gives it back (`slice_of`)."""
        flags = ("x" if self.exposed else "") + ("n" if self.named else "")
        fields = (self.ip, self.client, self.model, self.operation, self.outcome, flags)
        return "\t".join(fields)


def outcome_of(status: int, *, revoked: bool = False) -> Outcome:
    """The class of an HTTP status, or that the gateway refused a key as revoked."""
    if status < 400:
        return "ok"
    if revoked:
        return "revoked"
    return _OUTCOMES.get(status) or ("invalid" if status < 500 else "failed")


@lru_cache(maxsize=4096)
def client_of(user_agent: str | None) -> str:
    """Family of a user agent: its first product, without a version."""
    if not user_agent:
        return ""
    if _BROWSERS.search(user_agent[:512]):
        return "browser"
    match = _PRODUCT.match(user_agent)
    return "/".join(filter(None, match.groups())).lower() if match else "other"


def slice_from(
    ip: str,
    user_agent: str | None,
    model: str | None,
    operation: str | None,
    outcome: Outcome,
    *,
    has_origin: bool,
    named: bool = False,
) -> Slice:
    """The slice of a request."""
    client = client_of(user_agent)
    return Slice(
        ip=ip,
        client=client,
        model=_clean(model),
        operation=_clean(operation),
        outcome=outcome,
        exposed=has_origin or client == "browser",
        named=named,
    )


@lru_cache(maxsize=65536)
def slice_of(token: str) -> Slice:
    """The slice that a token stands for."""
    # A state of an earlier version has the client's version at the end.
    ip, client, model, operation, outcome, flags = token.split("\t")[:6]
    exposed, named = "x" in flags, "n" in flags
    return Slice(ip, client, model, operation, outcome or "ok", exposed, named)  # type: ignore[arg-type] # written by `token` alone


def _clean(text: str | None) -> str:
    start = (text or "")[:TEXT_BYTES_MAX].encode()[:TEXT_BYTES_MAX]
    return " ".join(start.decode(errors="ignore").split())
