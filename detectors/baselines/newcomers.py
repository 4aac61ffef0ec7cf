"""Sources that a key is not known to use, and what they have done since they came.

A newcomer becomes part of what is usual for the key after some honest hours over more than a day;
until then its traffic is kept apart, so that an intruder is seen by what it does and cannot
hide in the key's totals.
"""

import math
import re
from functools import lru_cache
from typing import Final

from msgspec import Struct, field

from detectors.baselines.shape import Shape
from detectors.baselines.slices import BLAMED, Place, Slice
from detectors.baselines.totals import Totals
from detectors.worth import cost

NEWCOMERS_MAX = 16
"""Newcomers kept apart per key; beyond it the one that did least goes first."""
GRADUATE_HOURS = 3
"""Honest active hours after which a newcomer is taken for the key's own …"""
GRADUATE_AGE_HOURS = 24
"""… if it came at least this many hours ago."""
STRANGE_NATS = 2.0
"""Surprise from which a newcomer's traffic is kept apart from the key's own."""
STRAY_REQUESTS = 5
"""From so many on, a newcomer is no stray: somebody who tries a service's key at home, say."""
TRIED_REQUESTS = 100
TRIED_NANOS = 500_000_000
"""… and from so many on, or so much spent, no trial: somebody who tries the key out where
people sit."""
WITHIN: Final = frozenset(("private", "proxy"))
"""Strangers come from outside; addresses from within appear when a proxy is put in between, or
machines are set up anew, and those of a company's web gateway when its people are sent through."""
_PEOPLE = WITHIN | {"isp"}
"""There: lines that nobody rents or hides behind."""
_BY_HAND = re.compile(r"curl|wget|postman|insomnia|httpie|bruno|python-requests")
"""What people try a key with in countries that are not its own; in those that are, it may be
anything but a browser or a telephone."""
_BIG_CLOUDS = re.compile(r"amazon|aws|google|azure|microsoft|oracle|alibaba", re.IGNORECASE)
"""Where services move to. Thieves rent from cheaper hosts …"""
_NO_HOSTS = re.compile(r"github|cogent|hurricane|level ?3|lumen|zayo", re.IGNORECASE)
"""… and nobody rents from these: builds run there, or offices are connected by them."""
LISTED_MAX = 8
"""Clients and models remembered per newcomer."""


class Newcomer(Struct, array_like=True, gc=False):
    """What a new source did."""

    label: str
    """The deepest thing that is new about it: a country, a network or a prefix."""
    level: str
    """`country`, `network` or `prefix`."""
    prefix: str
    network: str
    country: str
    kind: str
    nats: float
    """Surprise at first sight."""
    first: float
    """Unix seconds of its first request."""
    last: float
    totals: Totals
    minutes: int = 0
    """Minutes in which it was active."""
    minute: int = 0
    hours: int = 0
    """Closed, honest active hours."""
    hour: int = 0
    clients: list[str] = []
    models: list[str] = []
    prefixes: list[str] = []
    unknown_clients: int = 0
    """Requests from clients that the key is not known to use."""
    unknown_models: int = 0
    failures: int = 0
    """Requests refused for who asked or what was asked for (4xx but 429)."""
    hostile: bool = False
    """A person said that it is a leak."""
    forbidden: bool = False
    """It is in a country that the owner of the key does not allow."""
    first_names: int = 0
    """Requests that name an end user, of a key whose own sources never do."""
    shape: Shape = field(default_factory=Shape)
    """Of samples of its requests."""
    guest_until: int = 0
    """A person allows it until then, in Unix seconds: it does not become the key's own before."""

    def sure(self, *, forgotten: bool) -> float:
        """Share of its strangeness that counts: a few requests may be strays, or a trial.

        Args:
            forgotten: the key lay idle for long.
        """
        requests = self.totals.requests
        if self.is_rented or self.kind == "tor":
            return 1.0  # who tries a service's key once does so at home
        if self._is_trial(forgotten=forgotten):
            return min(1.0, requests / TRIED_REQUESTS)
        return min(1.0, math.log1p(requests) / math.log1p(STRAY_REQUESTS))

    def _is_trial(self, *, forgotten: bool) -> bool:
        """Whether a person tries the key: at home, in an office, or behind a VPN in a cloud.

        Of a rented machine nobody asks.
        """
        if cost(self.totals) >= TRIED_NANOS:
            return False
        at_home = self.kind in _PEOPLE and self.level == "network" and not forgotten
        if at_home and "browser" not in self.clients:
            return True
        by_hand = self.kind in _PEOPLE or self.kind == "hosting"
        return by_hand and bool(self.clients) and all(map(_is_by_hand, self.clients))

    @property
    def is_rented(self) -> bool:
        """Whether it is a machine at a host that is new to the key, but no big cloud."""
        return self.kind == "hosting" and self.level == "network" and _is_rented(self.network)

    @property
    def is_in_house(self) -> bool:
        """Whether it is within the company, or at its web gateway."""
        return self.kind in WITHIN

    @property
    def is_strange(self) -> bool:
        """Whether it is more than another address of a key that has many."""
        return self.nats >= STRANGE_NATS or self.unknown_clients > 0

    @property
    def has_usual_tools(self) -> bool:
        """Whether it uses nothing but clients and models that the key is known to use."""
        return not self.unknown_clients and not self.unknown_models

    def observe(self, what: Slice, totals: Totals, minute: int, prefix: str) -> None:
        """Add some of its requests, made within one minute."""
        self.totals.add(totals)
        self.first = min(self.first, minute * 60.0)
        self.last = max(self.last, minute * 60.0)
        if minute != self.minute:
            self.minutes += 1
            self.minute = minute
        for values, value in (
            (self.clients, what.client),
            (self.models, what.model),
            (self.prefixes, prefix),
        ):
            if value and value not in values and len(values) < LISTED_MAX:
                values.append(value)
        if what.outcome in BLAMED:
            self.failures += totals.requests

    def learn(self, hour: int) -> bool:
        """Count an honest active hour; True when it has become one of the key's own.

        A country that the owner does not allow becomes no place of the key's by being used.
        """
        if self.forbidden or 3600 * hour < self.guest_until:
            return False
        if hour != self.hour:
            self.hours += 1
            self.hour = hour
        age_hours = hour - int(self.first // 3600)
        if self.hours < GRADUATE_HOURS or age_hours < GRADUATE_AGE_HOURS:
            return False
        # Else a few requests that are too little to be told of would make their place a known one.
        return self.nats < STRANGE_NATS or self.sure(forgotten=False) >= 1.0


@lru_cache(maxsize=4096)
def _is_by_hand(client: str) -> bool:
    return _BY_HAND.search(client) is not None


@lru_cache(maxsize=4096)
def _is_rented(network: str) -> bool:
    return not (_BIG_CLOUDS.search(network) or _NO_HOSTS.search(network))


def network_of(place: Place) -> str:
    """A label for the network of a source: its AS, its hosting provider, or its /16 (v6: /32)."""
    if place.asn is not None:
        return f"AS{place.asn}"
    return place.network or _around(place.prefix)


@lru_cache(maxsize=65536)
def _around(prefix: str) -> str:
    separator = ":" if ":" in prefix else "."
    return separator.join(prefix.split(separator)[:2])


def country_of(place: Place) -> str:
    """The country of a source; empty where addresses have fictional ones (hosting, CDN, VPN)."""
    return "" if place.kind else place.country or ""


def is_hideout(place: Place) -> bool:
    """Whether anybody may be behind a source: Tor, a VPN, a machine at some host (no big cloud)."""
    return place.kind in {"tor", "vpn"} or (
        place.kind == "hosting" and _is_rented(network_of(place))
    )


def find(newcomers: dict[str, Newcomer], place: Place) -> Newcomer | None:
    """The newcomer that a source belongs to."""
    if not newcomers:
        return None
    for label in (country_of(place), network_of(place), place.prefix):
        newcomer = newcomers.get(label) if label else None
        if newcomer is not None:
            return newcomer
    return None


def newcomer_from(
    place: Place, surprise: tuple[str, str, float], minute: int, *, forbidden: bool
) -> Newcomer:
    """A source at its first sight, before anything that it does is counted."""
    level, label, nats = surprise
    return Newcomer(
        label=label,
        level=level,
        prefix=place.prefix,
        network=network_of(place),
        country=country_of(place) or place.country or "",
        kind=place.kind or "isp",
        nats=nats,
        first=minute * 60.0,
        last=minute * 60.0,
        totals=Totals(),
        forbidden=forbidden,
    )


def evict(newcomers: dict[str, Newcomer]) -> None:
    """Make room for one more."""
    if len(newcomers) >= NEWCOMERS_MAX:
        least = min(newcomers, key=lambda name: _weight(newcomers[name]))
        del newcomers[least]


def forget(newcomers: dict[str, Newcomer], hour: int) -> None:
    """Drop those that have been silent for two weeks."""
    limit = (hour - 14 * 24) * 3600.0
    for label in [name for name, each in newcomers.items() if each.last < limit]:
        del newcomers[label]


def _weight(newcomer: Newcomer) -> tuple[bool, int, float]:
    return (newcomer.hostile, newcomer.totals.requests, newcomer.last)
