"""Records as columns, one table per topic.

Times go as integer microseconds since 1970 and money as integer nano-dollars: both are exact, and
need no object per value. Absent text is stored as ''.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec
import numpy as np

from pipeline.store.columns import Repeated, distinct
from schemas.action import Action, ActionResult
from schemas.dead_letter import DeadLetter
from schemas.fields import epoch, to_nanos
from schemas.incident import Incident
from schemas.provider_usage import ProviderUsage
from schemas.redaction import scrub_text
from schemas.spend_window import SpendWindow
from schemas.verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from pipeline.accept import Use
    from pipeline.enrich.sources import Source

R = TypeVar("R")
S = TypeVar("S", bound=msgspec.Struct)
Columns = list[Sequence[Any] | Repeated]
_TOP: Final = (1 << 63) - 1
_PLACES_BITS: Final = 20
"""More places than a message of the largest size can have lines."""


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """How records of one kind are stored."""

    name: str
    columns: tuple[str, ...]
    encode: Callable[[Sequence[R]], Columns]
    """Records to columns, in the order of `columns`."""


def micros(time: datetime | float) -> int:
    """Microseconds since 1970."""
    return round(epoch(time) * 1e6)


def _event_micros(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The nearest within the same second, since detection floors: none may change its window."""
    whole = np.floor(seconds)
    parts = np.minimum(np.rint((seconds - whole) * 1e6), 999_999)
    return whole.astype(np.int64) * 1_000_000 + parts.astype(np.int64)


def _micros(seconds: Sequence[float]) -> list[int]:
    micros: list[int] = np.rint(np.array(seconds) * 1e6).astype(np.int64).tolist()
    return micros


def precedence(offset: int, index: int) -> int:
    """Of duplicates, that with the highest is kept: the earliest in the log."""
    return _TOP - (offset << _PLACES_BITS) - index


def offset_of(number: int) -> int:
    """The offset of the message that an event of such a precedence came in."""
    return (_TOP - number) >> _PLACES_BITS


_KIND_FIELDS: Final = (
    "source",
    "provider",
    "model",
    "operation",
    "error_type",
    "user_agent",
    "origin",
    "team",
    "environment",
)
"""Together they take few values among many events: clients repeat themselves."""
_KIND: Final = attrgetter(*_KIND_FIELDS)


def _usage(uses: Sequence[Use]) -> Columns:
    events = [use.event for use in uses if use.event is not None]  # accepted whole, each has one
    kinds, places = distinct(map(_KIND, events), len(events))
    kind = [Repeated(values, places) for values in zip(*kinds, strict=True)]
    return [
        *kind,
        [e.event_id for e in events],
        _event_micros(np.array([use.at for use in uses])).tolist(),
        [e.key_id for e in events],
        [e.status for e in events],
        [e.input_tokens for e in events],
        [e.output_tokens for e in events],
        [e.cached_input_tokens for e in events],
        [e.cache_write_tokens for e in events],
        [e.reasoning_tokens for e in events],
        [use.nanos if use.kind.priced else None for use in uses],
        [e.latency_ms for e in events],
        [e.time_to_first_token_ms for e in events],
        [e.stream for e in events],
        [e.end_user or "" for e in events],
        [e.tags or () for e in events],
        [use.kind.priced for use in uses],
        [precedence(*use.place) for use in uses],
        _micros([use.message.appended_at for use in uses]),
        *_sources([use.kind.source for use in uses]),
    ]


def _sources(sources: Sequence[Source | None]) -> Columns:
    # By identity, since the locator gives the same object for an address, and hashing one costs.
    ids, places = distinct(map(id, sources), len(sources))
    known = dict(zip(map(id, sources), sources, strict=True))
    found = [known[each] for each in ids]
    ips = [s.ip if s else "" for s in found]
    return [
        [ips[place] for place in places.tolist()],
        np.array([s.asn or 0 if s else 0 for s in found])[places].tolist(),
        Repeated([s.country if s else None for s in found], places),
        Repeated([s.network if s else None for s in found], places),
        Repeated([s.kind if s else None for s in found], places),
    ]


USAGE_EVENTS: Final[Table[Use]] = Table(
    "usage_events",
    (
        *_KIND_FIELDS,
        "event_id",
        "occurred_at",
        "key_id",
        "status",
        "input_tokens",
        "output_tokens",
        "cached_input_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "cost_usd",
        "latency_ms",
        "time_to_first_token_ms",
        "stream",
        "end_user",
        "tags",
        "priced",
        "precedence",
        "appended_at",
        "client_ip",
        "asn",
        "country",
        "network",
        "source_kind",
    ),
    _usage,
)


def _table(name: str, record: type[S], **special: Callable[[S], Any]) -> Table[S]:
    """A table whose columns are the fields of a struct, by the rule of their name and value.

    Rules of other names make columns of their own.
    """
    fields = tuple(dict.fromkeys([f.name for f in msgspec.structs.fields(record)] + [*special]))

    def encode(records: Sequence[S]) -> Columns:
        return [
            [special[name](r) for r in records]
            if name in special
            else [_plain(getattr(r, name)) for r in records]
            for name in fields
        ]

    return Table(name, fields, encode)


def _plain(value: str | float | None) -> str | float:
    return "" if value is None else value


def _time(name: str) -> Callable[[Any], int | None]:
    def read(record: Any) -> int | None:  # noqa: ANN401 - the struct is the table's
        value = getattr(record, name)
        return None if value is None else micros(value)

    return read


def _money(name: str) -> Callable[[Any], int | None]:
    def read(record: Any) -> int | None:  # noqa: ANN401 - the struct is the table's
        value = getattr(record, name)
        return None if value is None else to_nanos(value)

    return read


SPEND_WINDOWS: Final = _table(
    "spend_windows",
    SpendWindow,
    window_start=_time("window_start"),
    spend_usd=_money("spend_usd"),
)
PROVIDER_USAGE: Final = _table(
    "provider_usage",
    ProviderUsage,
    window_start=_time("window_start"),
    window_end=_time("window_end"),
    observed_at=_time("observed_at"),
    cost_usd=_money("cost_usd"),
    requests=lambda usage: usage.requests,
)
INCIDENTS: Final = _table(
    "incidents",
    Incident,
    opened_at=_time("opened_at"),
    detected_at=_time("detected_at"),
    spend_usd=_money("spend_usd"),
    signals=lambda incident: msgspec.json.encode(incident.signals).decode(),
)
VERDICTS: Final = _table(
    "verdicts",
    Verdict,
    until=_time("until"),
    at=_time("at"),
    # People paste keys into notes.
    note=lambda verdict: scrub_text(verdict.note or ""),
)
ACTIONS: Final = _table(
    "actions",
    Action,
    requested_at=_time("requested_at"),
    not_before=_time("not_before"),
    version=_time("requested_at"),  # a later request replaces the one before it
)
ACTION_RESULTS: Final = _table(
    "action_results",
    ActionResult,
    at=_time("at"),
    http_status=lambda result: result.http_status,
    # Gateways quote what they were sent.
    detail=lambda result: scrub_text(result.detail or ""),
)
DEAD_LETTERS: Final = _table("dead_letters", DeadLetter, received_at=_time("received_at"))
