"""What an owner of a key is like: where they are, and what they do when nothing happens."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.simulate import addresses as nets
from pipeline.simulate import clients
from pipeline.simulate.arrivals import Rhythm, Rng, Texture
from pipeline.simulate.choice import pick
from pipeline.simulate.egress import Egress, Pool
from pipeline.simulate.parties import Client
from pipeline.simulate.workload import Workload

DAY_MAX = 50_000.0
"""Events a day of the heaviest key."""
DAY_MIN = 5.0

ZONES = {
    "US": ("America/New_York", "America/Los_Angeles", "America/Chicago"),
    "GB": ("Europe/London",),
    "DE": ("Europe/Berlin",),
    "FR": ("Europe/Paris",),
    "IN": ("Asia/Kolkata",),
    "JP": ("Asia/Tokyo",),
    "BR": ("America/Sao_Paulo",),
    "CA": ("America/Toronto", "America/Vancouver"),
    "AU": ("Australia/Sydney",),
    "PL": ("Europe/Warsaw",),
    "ES": ("Europe/Madrid",),
}
_COUNTRY_WEIGHTS = np.array([5, 2, 2, 1.5, 2, 1, 1, 1, 0.7, 0.7, 0.7])


@dataclass(frozen=True, slots=True)
class Home:
    """Where an owner is, and how much they use."""

    country: str
    zone: ZoneInfo
    volume: float
    """Factor on every key's requests."""

    def per_day(self, rng: Rng, median: float, sigma: float = 1.0) -> float:
        """A heavy-tailed number of requests a day."""
        return float(np.clip(rng.lognormal(np.log(median), sigma), DAY_MIN, DAY_MAX)) * self.volume

    def line(self, rng: Rng) -> nets.Network:
        """An access provider in the country."""
        return pick(rng, nets.homes(self.country))


@dataclass(frozen=True, slots=True)
class Habit:
    """What an owner does when nothing happens."""

    rhythm: Rhythm
    texture: Texture
    egress: Egress
    client: Client
    workload: Workload
    wander: float = 0.3
    """Log-normal sigma of the slow changes of level."""
    users: int = 0
    """End users behind the key."""
    environment: str = "prod"


def home(rng: Rng, volume: float) -> Home:
    """A country and a zone to live in."""
    shares = _COUNTRY_WEIGHTS / _COUNTRY_WEIGHTS.sum()
    country = list(ZONES)[int(rng.choice(len(ZONES), p=shares))]
    return Home(country, ZoneInfo(pick(rng, ZONES[country])), volume)


def gateways(rng: Rng, count: int, network: nets.Network | None = None) -> Pool:
    """The outgoing addresses of a service in one cloud region."""
    cloud = network or pick(rng, nets.CLOUDS)
    return Pool(tuple(nets.addresses(rng, cloud, count)), favour=float(rng.uniform(0, 1)))


def server(rng: Rng) -> Client:
    """One kind of software, in one version."""
    return Client((clients.agent(rng, clients.SERVERS),))
