"""What every attack needs to know: whose key, when, how hard, and what thieves have at hand."""

from dataclasses import dataclass

from pipeline.simulate import addresses as nets
from pipeline.simulate import clients
from pipeline.simulate.arrivals import HOUR
from pipeline.simulate.choice import log_uniform, pick
from pipeline.simulate.egress import Rotating
from pipeline.simulate.loot import loot
from pipeline.simulate.parties import Client
from pipeline.simulate.tenants import Tenant
from pipeline.simulate.workload import Workload


@dataclass(frozen=True, slots=True)
class Theft:
    """A key, when it is taken, and how hard it is used."""

    tenant: Tenant
    at: float
    strong: bool

    def level(self, strong: tuple[float, float], weak: tuple[float, float]) -> float:
        """A log-uniform number from one of two ranges."""
        return log_uniform(self.tenant.rng, *(strong if self.strong else weak))

    def until(self, hours: float) -> float:
        """A time so many hours later, within the simulation."""
        return min(self.at + hours * HOUR, self.tenant.end)

    def elsewhere(self, networks: tuple[nets.Network, ...]) -> tuple[nets.Network, ...]:
        """Those of the networks that are not in the owner's country."""
        return tuple(n for n in networks if n.country != self.tenant.country) or networks

    def rented(self, width: int = 1) -> Rotating:
        """A few rented machines abroad, or an anonymiser."""
        networks = self.elsewhere(nets.CHEAP_HOSTS)
        if self.tenant.rng.random() < 0.2:
            networks = self.elsewhere(nets.ANONYMISERS)
        return Rotating((pick(self.tenant.rng, networks),), 12 * HOUR, width)

    def tool(self) -> Client:
        """A client that thieves like."""
        return Client((clients.agent(self.tenant.rng, clients.THIEVES),))

    def loot(self) -> Workload:
        """What is worth stealing at this provider."""
        return loot(self.tenant.rng, self.tenant.record.provider or "openai", dear=self.strong)

    @property
    def own_rate(self) -> float:
        """The owner's requests an hour."""
        return self.tenant.habit.rhythm.per_day / 24
