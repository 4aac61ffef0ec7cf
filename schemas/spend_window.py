"""The whole total of a key in a window (topic `spend-windows`)."""

from typing import Literal

from msgspec import Struct

from schemas.fields import Identifier, Time, utc

Granularity = Literal["1m", "1h", "1d"]
SECONDS: dict[Granularity, int] = {"1m": 60, "1h": 3600, "1d": 86400}
"""Length of a window in seconds."""


def windows_of(minute: int) -> tuple[tuple[Granularity, int], ...]:
    """The windows that a minute is in, the narrowest first, each by its number since 1970."""
    return ("1m", minute), ("1h", minute // 60), ("1d", minute // 1440)


class SpendWindow(Struct, kw_only=True):
    """An absolute total: of two rows for the same window, the higher version is right."""

    key_id: Identifier
    granularity: Granularity
    window_start: Time
    spend_usd: float
    requests: int
    errors: int
    input_tokens: int
    output_tokens: int
    distinct_sources: int
    """Exact below 128 client addresses, an estimate from there on."""
    unpriced_requests: int = 0
    """Requests whose model has no price; their spend is unknown and not in `spend_usd`."""
    version: int
    """Rebuild epoch times 2^40, plus the events folded into the window."""

    def __post_init__(self) -> None:
        self.window_start = utc(self.window_start)
