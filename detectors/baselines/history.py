"""Everything that is remembered of a key between its events."""

from collections.abc import Collection

from msgspec import Struct, field

from detectors.baselines.billing import Books
from detectors.baselines.facets import USUAL_HOURS, FacetTable
from detectors.baselines.level import Level
from detectors.baselines.newcomers import (
    STRANGE_NATS,
    WITHIN,
    Newcomer,
    country_of,
    evict,
    find,
    is_hideout,
    network_of,
    newcomer_from,
)
from detectors.baselines.shape import Shape
from detectors.baselines.slices import REFUSED, Place, Slice
from detectors.baselines.totals import Totals
from detectors.baselines.unrest import Unrest
from detectors.baselines.volume import Volume
from detectors.baselines.zones import month_of
from detectors.worth import guess
from schemas.key_record import KeyRecord

YOUNG_HOURS = 8.0
"""Active hours before which a key's sources are taken for its own as they come."""
OLD_DAYS = 2.5
OLD_DAYS_HOURS = 3.0
"""A key that works an hour a day is no longer young after some days."""
_PRIOR = {"country": 0.15, "network": 0.4, "prefix": 0.8, "client": 0.3, "model": 0.6, "kind": 0.15}
"""Novelties that a key of an average fleet brings in its first active hours, by facet."""
_NETWORK_KNOWN = 2.5
"""Nats taken off when only the prefix is new: an intruder seldom shares the victim's network …"""
_CLOUD_KNOWN = 1.0
"""… unless it is a public cloud."""
_KIND_NATS = {"tor": 3.0, "vpn": 1.5}
SURPRISE_MAX = 9.0
_FOUND_NATS = 4.0
"""An old key that nobody used, and that wakes where nobody knows who it is, was found."""
_FIRST_PLACE_NATS = 1.0
"""Where the key is used first is no strange place, even if its owner does not allow it."""
SLEEP_SECONDS = 2.5 * 86400.0
"""A pause as long as this, longer than a weekend, is a sleep."""


class History(Struct, array_like=True, gc=False):
    """The learnt side of a key."""

    first_seen: float = 0.0
    """Unix seconds of the first event."""
    hours: float = 0.0
    """Closed active hours learnt."""
    prefixes: FacetTable = field(default_factory=FacetTable)
    networks: FacetTable = field(default_factory=FacetTable)
    countries: FacetTable = field(default_factory=FacetTable)
    kinds: FacetTable = field(default_factory=FacetTable)
    clients: FacetTable = field(default_factory=FacetTable)
    models: FacetTable = field(default_factory=FacetTable)
    newcomers: dict[str, Newcomer] = {}
    volume: Volume = field(default_factory=Volume)
    exposed_hours: float = 0.0
    """Active hours with requests from browsers or mobile apps."""
    prompt: Level = field(default_factory=Level)
    """Input tokens per request, by hour."""
    price: Level = field(default_factory=Level)
    """Nano-dollars per request, by hour."""
    crowd: Level = field(default_factory=Level)
    """Distinct sources per hour."""
    failing: float = 0.0
    """Mean share of requests refused or failed, by hour."""
    slept: float = 0.0
    """Seconds without any request before the key last woke from a long sleep."""
    woke: float = 0.0
    """Unix seconds of that waking."""
    books: Books = field(default_factory=Books)
    longest_sleep: float = 0.0
    """The longest honest pause, in seconds."""
    own_last: float = 0.0
    """Unix seconds of the last minute in which one of the key's own sources was active."""
    month: int = 0
    """The UTC month of `month_nanos`, in months since year 0."""
    month_nanos: int = 0
    """Spend of that month's closed hours."""
    end_users: Level = field(default_factory=Level)
    """Distinct end users per hour, of hours in which any was named."""
    longest: float = 0.0
    """Input tokens of the longest honest request, slowly forgotten."""
    unrest: Unrest = field(default_factory=Unrest)
    """What its own days showed against its habits …"""
    visits: Unrest = field(default_factory=Unrest)
    """… and of strangers."""
    shape: Shape = field(default_factory=Shape)
    """Of samples of its own requests."""
    month_guessed: int = 0
    """Nano-dollars that requests of the month's closed hours may have cost that have no price."""

    @property
    def facets(self) -> tuple[FacetTable, ...]:
        """All of them."""
        places = (self.prefixes, self.networks, self.countries, self.kinds)
        return (*places, self.clients, self.models)

    @property
    def learning(self) -> bool:
        """Whether too little is known to judge by the key's own history."""
        if self.hours >= YOUNG_HOURS:
            return False
        return self.hours < OLD_DAYS_HOURS or self.days < OLD_DAYS

    @property
    def days(self) -> float:
        """Days from the first event to the last hour learnt."""
        return self.volume.last / 24 - self.first_seen / 86400

    def surprise(self, place: Place, record: KeyRecord | None = None) -> tuple[str, str, float]:
        """What is new about a source: (level, label, nats). Level is empty when nothing is."""
        prefix = place.prefix
        if self.hours == 0 or self.prefixes.knows(prefix):
            return "", "", 0.0
        network, country = network_of(place), country_of(place)
        kind = place.kind or "isp"
        extra = _KIND_NATS.get(kind, 0.0) if not self.kinds.knows(kind) else 0.0
        extra += 0.5 * self.kinds.surprise(kind, _PRIOR["kind"])
        expected = record is not None and record.allows(country)
        if country and not expected and not self.countries.knows(country):
            level, label = "country", country
            nats = self.countries.surprise(country, _PRIOR["country"])
        elif not self.networks.knows(network):
            level, label = "network", network
            nats = self.networks.surprise(network, _PRIOR["network"])
        else:
            level, label = "prefix", prefix
            known = _CLOUD_KNOWN if place.kind == "hosting" else _NETWORK_KNOWN
            nats = self.prefixes.surprise(prefix, _PRIOR["prefix"]) - known
        most = STRANGE_NATS if place.kind in WITHIN else SURPRISE_MAX
        return level, label, min(most, max(0.0, nats) + extra)

    def is_novel(self, what: Slice, place: Place | None) -> bool:
        """Whether anything about a kind of request is worth a look, as `Trigger.NOVEL` lists."""
        return (
            what.outcome in REFUSED
            or (what.exposed and self.exposed_hours == 0.0)
            or not (self.is_usual_model(what.model) or not what.model)
            or not (self.clients.knows(what.client) or not what.client)
            or (place is not None and not self.prefixes.knows(place.prefix))
        )

    def client_surprise(self, client: str) -> float:
        """Nats of surprise at a client family."""
        return self.clients.surprise(client, _PRIOR["client"]) if client else 0.0

    def is_usual_model(self, model: str) -> bool:
        """Whether a model was used in some hours already."""
        known = self.models.values.get(model)
        return known is not None and (known.hours >= USUAL_HOURS or self.learning)

    def model_surprise(self, model: str) -> float:
        """Nats of surprise at a model that the key is not known to use, whichever it is."""
        return self.models.surprise_of_new(_PRIOR["model"]) if model else 0.0

    def welcome(
        self, place: Place, minute: int, record: KeyRecord | None = None
    ) -> Newcomer | None:
        """The newcomer that a source is or becomes; None when it is the key's own."""
        known = find(self.newcomers, place)
        if known is not None:
            return known
        if place.prefix in self.prefixes.values:
            return None
        level, label, nats = self.surprise(place, record)
        forbidden = record is not None and record.forbids(country_of(place))
        if not self.hours:  # nothing else is known of the key
            if forbidden:
                level, label, nats = "country", country_of(place), _FIRST_PLACE_NATS
            elif self.slept and is_hideout(place):
                level, label, nats = "network", network_of(place), _FOUND_NATS
        if not level:
            return None
        evict(self.newcomers)
        newcomer = newcomer_from(place, (level, label, nats), minute, forbidden=forbidden)
        return self.newcomers.setdefault(label, newcomer)

    def compare(self, newcomer: Newcomer, what: Slice, requests: int) -> None:
        """Count what a newcomer does otherwise than the key's own sources."""
        # Neither does an owner whose client has a name send requests without one.
        named = what.client or self.clients.values
        if named and self.clients.hours and not self.clients.knows(what.client):
            newcomer.unknown_clients += requests
        if what.model and self.models.values and not self.models.knows(what.model):
            newcomer.unknown_models += requests
        if what.named and not self.end_users.spread.n:
            newcomer.first_names += requests

    def enter_month(self, hour: int, totals: Totals) -> None:
        """Add what a closed hour used to its month; hours of past months are past."""
        month = month_of(hour)
        if month > self.month:
            self.month, self.month_nanos, self.month_guessed = month, 0, 0
        if month == self.month:
            self.month_nanos += totals.nanos
            self.month_guessed += guess(totals)

    def pause(self, seconds: float, now: float) -> None:
        """Note that the key was silent for so long until now."""
        if seconds >= SLEEP_SECONDS:
            self.slept, self.woke = seconds, now

    def accept(self, newcomers: Collection[Newcomer], hour: int) -> None:
        """A person said that they are welcome."""
        for newcomer in newcomers:
            del self.newcomers[newcomer.label]
            for prefix in (newcomer.prefix, *newcomer.prefixes):
                self.prefixes.admit(prefix, hour)
            self.networks.admit(newcomer.network, hour)
            if newcomer.level == "country":
                self.countries.admit(newcomer.country, hour)
            self.kinds.admit(newcomer.kind, hour)
            for client in newcomer.clients:
                self.clients.admit(client, hour)
            for model in newcomer.models:
                self.models.admit(model, hour)
