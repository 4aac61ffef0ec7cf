"""A provider's usage report: rows of its pages in, use by hour, key and model out. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from schemas.codec import UNDECODABLE

HOUR: Final = 3600
SETTLED_SECONDS: Final = 3600
"""An hour is looked at once it has been over for so long: what a gateway has not handed over when
the bill comes counts as use that went past it."""
HOURS: Final = 48
"""Hours that each round reads again, since providers correct them. Bills are compared with 50 hours
of the gateway's use, so older ones would say nothing."""

PAGE_HOURS: Final = 6
"""Hours in a page: few, so that one of many keys stays small."""

LeftOut = Literal["no_key", "batch", "malformed"]
"""Why a row is not handed on: it names no key, as use of a provider's console does not; it is of a
batch, which is billed at another time than the gateway sees it; it is no such row."""

B = TypeVar("B")


class UnreadableError(Exception):
    """A page that is none. The text holds nothing of it."""


class Page(Struct, Generic[B]):
    """A page as both providers have it; their buckets differ."""

    data: list[B]
    has_more: bool = False
    next_page: str | None = None

    @property
    def cursor(self) -> str | None:
        """Of the next page, if there is one."""
        return self.next_page if self.has_more else None


class Line(Struct, array_like=True):
    """What a key used of a model in an hour."""

    input_tokens: int = 0
    """Cached ones included."""
    cached_input_tokens: int = 0
    output_tokens: int = 0
    requests: int | None = None

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.input_tokens + self.output_tokens

    def add(self, other: "Line") -> None:
        """Take in another row of the same."""
        self.input_tokens += other.input_tokens
        self.cached_input_tokens += other.cached_input_tokens
        self.output_tokens += other.output_tokens
        if other.requests is not None:
            self.requests = (self.requests or 0) + other.requests


class Row(NamedTuple):
    """A row of a report, whichever provider it is from."""

    key: str | None
    model: str | None
    is_batch: bool
    line: Line


class Report:
    """What a provider reported of the hours that are over, added up over its rows and pages.

    A model has one line in an hour: a second one would replace the first.
    """

    def __init__(self, now: float) -> None:
        self.observed_at: Final = now
        self.end: Final = int((now - SETTLED_SECONDS) // HOUR * HOUR)
        self.start: Final = self.end - HOURS * HOUR
        self.hours: defaultdict[int, dict[str, dict[str, Line]]] = defaultdict(dict)
        """By start of the hour, key and model; "" where the provider names no model."""
        self.left_out: Counter[LeftOut] = Counter()

    def take(
        self, start: float, end: float, rows: Iterable[bytes], read: Callable[[bytes], Row]
    ) -> None:
        """Take in the rows of a bucket."""
        whole = self.start <= start < self.end and start % HOUR == 0 and end == start + HOUR
        for raw in rows:
            try:
                row = read(raw)
            except UNDECODABLE:
                self.left_out["malformed"] += 1
                continue
            if not whole:
                self.left_out["malformed"] += 1
            elif row.is_batch:
                self.left_out["batch"] += 1
            elif row.key is None:
                self.left_out["no_key"] += 1
            else:
                lines = self.hours[int(start)].setdefault(row.key, {})
                lines.setdefault(row.model or "", Line()).add(row.line)


@dataclass(frozen=True, slots=True)
class Provider:
    """How a provider is asked, and how its answers are read."""

    name: str
    """As gateways call it, too."""
    paths: Sequence[str]
    """Of its reports, which together are the bill."""
    headers: Callable[[str], Mapping[str, str]]
    """What to send with an admin key."""
    query: Callable[[str, Report], Sequence[tuple[str, str]]]
    """What to ask of a path."""
    read: Callable[[bytes, Report], str | None]
    """Takes a page into the report; the cursor of the next page, if there is one."""


def decoded(body: bytes, decoder: "msgspec.json.Decoder[Page[B]]") -> Page[B]:
    """A page.

    Raises:
        UnreadableError: it is none, or there is another one and it does not say where.
    """
    try:
        page = decoder.decode(body)
    except UNDECODABLE:
        raise UnreadableError("an answer that is no page of a usage report") from None
    if page.has_more and not page.next_page:
        raise UnreadableError("a page that has a next one and does not name it")
    return page
