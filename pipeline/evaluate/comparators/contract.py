"""What a comparator is, and one pass over the events for all of them."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import iptocc

from pipeline.evaluate.exposure import Price, stated_cost
from pipeline.evaluate.pages import Page
from schemas.fields import epoch, to_dollars
from schemas.usage_event import UsageEvent

COUNTRIES_MAX = 200_000
"""Addresses whose country is remembered."""


class Seen(NamedTuple):
    """An event, with what every comparator asks about it."""

    event: UsageEvent
    at: float
    """Unix seconds."""
    usd: float
    country: str | None


class Comparator(Protocol):
    """A way to page, fed with events in order."""

    @property
    def name(self) -> str:
        """As in the tables."""

    def see(self, seen: Seen) -> Iterable[Page]:
        """The pages that this event brings (of windows that it closes, or its own)."""


def run(
    comparators: Iterable[Comparator], events: Iterable[UsageEvent], price: Price = stated_cost
) -> dict[str, list[Page]]:
    """The pages of each comparator, by its name."""
    pages: dict[str, list[Page]] = {}
    every = [(comparator, pages.setdefault(comparator.name, [])) for comparator in comparators]
    countries: dict[str, str | None] = {}
    for event in events:
        seen = Seen(
            event,
            epoch(event.occurred_at),
            to_dollars(price(event) or 0),
            _country(event.client_ip, countries),
        )
        for comparator, found in every:
            found.extend(comparator.see(seen))
    return pages


def _country(address: str | None, known: dict[str, str | None]) -> str | None:
    if address is None:
        return None
    if address not in known:
        if len(known) >= COUNTRIES_MAX:
            known.clear()
        try:
            known[address] = iptocc.country_code(address)
        except ValueError:
            known[address] = None
    return known[address]
