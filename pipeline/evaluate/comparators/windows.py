"""Ten-minute windows of a key, for the comparators that need features."""

from dataclasses import dataclass, field

from pipeline.evaluate.comparators.contract import Seen

WINDOW_SECONDS = 600


@dataclass(slots=True)
class Window:
    """What a key did in ten minutes."""

    number: int
    requests: int = 0
    usd: float = 0.0
    tokens: int = 0
    errors: int = 0
    sources: set[str] = field(default_factory=set)

    @property
    def end(self) -> float:
        """Unix seconds."""
        return float((self.number + 1) * WINDOW_SECONDS)

    def features(self) -> dict[str, float]:
        """As a model wants them."""
        return {
            "requests": float(self.requests),
            "usd": self.usd,
            "tokens_per_request": self.tokens / max(self.requests, 1),
            "error_share": self.errors / max(self.requests, 1),
            "sources": float(len(self.sources)),
            "hour": self.number * WINDOW_SECONDS % 86_400 / 3600,
        }


class Windows:
    """The open window of each key."""

    def __init__(self) -> None:
        self._open: dict[str, Window] = {}

    def see(self, seen: Seen) -> Window | None:
        """Add an event; the window that it closed, if it did."""
        number = int(seen.at // WINDOW_SECONDS)
        window = self._open.get(seen.event.key_id)
        closed = None
        if window is None or number > window.number:
            closed, window = window, Window(number)
            self._open[seen.event.key_id] = window
        window.requests += 1
        window.usd += seen.usd
        window.tokens += seen.event.input_tokens + seen.event.output_tokens
        window.errors += seen.event.status >= 400
        if seen.event.client_ip:
            window.sources.add(seen.event.client_ip)
        return closed
