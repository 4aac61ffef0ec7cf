"""The field types that the records share, with their limits."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

IDENTIFIER_LENGTH_MAX = 128
"""Characters in an identifier."""
COUNT_MAX = 10**12
"""Tokens or requests in one record; a larger number is a producer's mistake."""
DOLLARS_MAX = 1e9
"""US dollars in one record."""
REQUEST_TOKENS_MAX = 10**9
"""Tokens of one request."""
REQUEST_DOLLARS_MAX = 1e5
"""US dollars that one request can cost."""
NANOS = 1_000_000_000
"""Nano-dollars in a dollar: money is added up as integers."""

Identifier = Annotated[str, Meta(min_length=1, max_length=IDENTIFIER_LENGTH_MAX)]
Count = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
Dollars = Annotated[float, Meta(ge=0, le=DOLLARS_MAX)]
AwareDatetime = Annotated[datetime, Meta(tz=True)]
Time = AwareDatetime | float
"""RFC 3339 with an offset, or Unix seconds."""


def epoch(time: datetime | float) -> float:
    """Unix seconds of a `Time`."""
    return time.timestamp() if isinstance(time, datetime) else time


def utc(time: datetime | float) -> datetime:
    """An aware UTC datetime of a `Time`.

    Raises:
        ValueError: the number is outside the years 1 to 9999.
    """
    try:
        if isinstance(time, datetime):
            return time.astimezone(UTC)
        return datetime.fromtimestamp(time, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("a time is out of range") from error


def to_nanos(dollars: float) -> int:
    """Dollars as integer nano-dollars."""
    return round(dollars * NANOS)


def to_dollars(nanos: int) -> float:
    """Integer nano-dollars as dollars."""
    return nanos / NANOS
