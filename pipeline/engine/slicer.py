"""Which slice an event belongs to, remembered, since there are few slices and many events."""

from detectors.baselines.slices import slice_from, slice_of
from pipeline.accept import Accepted
from pipeline.enrich.sources import Locator, Source

_CACHE_MAX = 131_072

_Seen = tuple[str, str | None, str | None, str | None, int, bool]


class Slicer:
    """Maps events to slice tokens, and tokens to places."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._tokens: dict[_Seen, str] = {}

    def token(self, accepted: Accepted) -> str:
        """The token of an event's slice."""
        event, source = accepted.event, accepted.source
        seen = (
            source.ip if source is not None else "",
            event.user_agent,
            event.model,
            event.operation,
            event.status,
            event.origin is not None,
        )
        token = self._tokens.get(seen)
        if token is None:
            if len(self._tokens) >= _CACHE_MAX:
                self._tokens.clear()
            ip, user_agent, model, operation, status, has_origin = seen
            what = slice_from(ip, user_agent, model, operation, status, has_origin=has_origin)
            token = self._tokens[seen] = what.token
        return token

    def place(self, token: str) -> Source | None:
        """Where the requests of a slice came from."""
        ip = slice_of(token).ip
        return self._locator.locate(ip) if ip else None
