"""Which kind of request an event is, remembered, since there are few kinds and many events."""

from sys import intern
from typing import Final

from detectors.baselines.accounts import account_of
from detectors.baselines.slices import outcome_of, slice_from, slice_of
from pipeline.enrich.providers import provider_name
from pipeline.enrich.sources import CACHE_MAX, FORWARDED_LENGTH_MAX, Locator, Source
from schemas.usage_event import UsageEvent

TEXT_LENGTH_MAX: Final = 256
"""Characters looked at of a user agent, model or operation: clients choose them, and how long."""

_Seen = tuple[
    str | None,
    str | None,
    str | None,
    str | None,
    int,
    bool,
    bool,
    bool,
    bool,
    bool | None,
    str | None,
]
_REVOKED: Final = "revoked_key"
"""The `error_type` of a request that a gateway refused since its key is revoked."""


class Kind:
    """What requests of a kind have in common."""

    __slots__ = ("account", "failed", "lost", "priced", "source", "streamed", "token")

    def __init__(
        self,
        token: str,
        source: Source | None,
        *,
        failed: bool,
        lost: bool,
        priced: bool,
        streamed: bool | None = None,
        provider: str = "",
    ) -> None:
        self.token = token
        """Names the slice (`detectors.baselines.slices`)."""
        self.source = source
        """Where they came from, when that can be told."""
        self.failed = failed
        self.lost = lost
        """Nobody can tell where they came from: without an address, or with one that is none."""
        self.priced = priced
        """It is known what they cost."""
        self.streamed = streamed
        """Whether their answers come in pieces; None where the gateway does not say."""
        self.account = account_of(provider, priced=priced)
        """Where the books have them (`detectors.baselines.accounts`)."""


class Kinds:
    """Maps events to kinds. Deterministic; one dict look-up for a kind that was seen before."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._kinds: dict[_Seen, Kind] = {}
        self._texts: dict[str | None, str | None] = {}
        """One object for each text in it: of many copies few would lie in the caches."""
        self._places: dict[str, Source | None] = {}

    def of(self, event: UsageEvent, nanos: int | None) -> Kind:
        """The kind of an event.

        Args:
            event: one request.
            nanos: what it cost, if that is known.
        """
        seen = (
            event.client_ip,
            event.user_agent,
            event.model,
            event.operation,
            event.status,
            event.error_type == _REVOKED,
            event.origin is None,
            not event.end_user,
            nanos is not None,
            event.stream,
            event.provider,
        )
        kind = self._kinds.get(seen)
        return self._learn(seen) if kind is None else kind

    def place(self, token: str) -> Source | None:
        """Where the requests of a slice came from."""
        try:
            return self._places[token]
        except KeyError:
            pass
        ip = slice_of(token).ip
        place = self._locator.locate(ip) if ip else None
        if len(self._places) >= CACHE_MAX:
            self._places.clear()
        self._places[token] = place
        return place

    def _learn(self, seen: _Seen) -> Kind:
        seen = _cut(seen)
        known = self._kinds.get(seen)
        if known is not None:
            return known
        (
            client_ip,
            user_agent,
            model,
            operation,
            status,
            revoked,
            without_origin,
            nameless,
            priced,
            streamed,
            provider,
        ) = seen
        source = None if client_ip is None else self._locator.locate(client_ip)
        what = slice_from(
            "" if source is None else source.ip,
            user_agent,
            model,
            operation,
            outcome_of(status, revoked=revoked),
            has_origin=not without_origin,
            named=not nameless,
        )
        if len(self._kinds) >= CACHE_MAX:
            self._kinds.clear()
            self._texts.clear()
        one = self._texts.setdefault
        seen = (
            one(client_ip, client_ip),
            one(user_agent, user_agent),
            one(model, model),
            one(operation, operation),
            *seen[4:-1],
            one(provider, provider),
        )
        kind = self._kinds[seen] = Kind(
            intern(what.token),
            source,
            failed=status >= 400,
            lost=source is None,
            priced=priced,
            streamed=streamed,
            provider=intern(provider_name(provider)),
        )
        return kind


def _cut(seen: _Seen) -> _Seen:
    """What is remembered: cut only here, since long texts are rare and every event passes `of`."""
    client_ip, user_agent, model, operation = seen[:4]
    return (
        None if client_ip is None else client_ip[-FORWARDED_LENGTH_MAX:],
        _start(user_agent),
        _start(model),
        _start(operation),
        *seen[4:-1],
        _start(seen[-1]),
    )


def _start(text: str | None) -> str | None:
    return None if text is None else text[:TEXT_LENGTH_MAX]
