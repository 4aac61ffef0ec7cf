"""The keys of an environment: some are restless by nature, and some steady. Pure.

A cohort's own threshold is worth as much as its history can tell. It is the evidence of the honest
page that stands as high in the cohort's ranking as the budget allows pages, say the m-th; how often
honest keys show so much falls by a factor of about e per nat (counted on a simulated fleet), so m
pages know it to about 1/sqrt(m) nats. What cohorts really need lies within the bound on a move, a
quarter of a threshold either way, which spreads like one nat. The two are equal at one page: there
its own threshold and the fleet's count one half each (`PAGES_HALF`); with more history the own one
takes over, and a cohort of a few keys stays with the fleet.

Who makes noise in one environment, however much, moves its threshold by no more than the bound of
any move, and those of the others by less than if there were one for all.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from pipeline.calibrate.tally import Tally
from schemas.calibration import COHORTS_MAX
from schemas.fields import IDENTIFIER_LENGTH_MAX

PAGES_HALF: Final = 1.0
"""Pages that the budget allows in a cohort's history when its own threshold counts one half."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Some keys of an environment."""

    environment: str
    keys: list[str]
    key_weeks: float

    def shrunk(self, own_nats: float, fleet_nats: float, budget: float) -> float:
        """The threshold of these keys, between their own and the fleet's.

        Args:
            own_nats: the threshold that they would have alone.
            fleet_nats: the one of all keys together.
            budget: pages per 1,000 key-weeks.
        """
        half = 1000.0 * PAGES_HALF / budget
        return fleet_nats + self.key_weeks / (self.key_weeks + half) * (own_nats - fleet_nats)


def cohorts(tally: Tally, keys: Collection[str]) -> list[Cohort]:
    """Keys by the environments of their registry entries: those with the most history, by name."""
    named: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        environment = tally.environments.get(key)
        if environment and len(environment) <= IDENTIFIER_LENGTH_MAX:
            named[environment].append(key)
    found = [Cohort(name, members, tally.key_weeks(members)) for name, members in named.items()]
    found.sort(key=lambda each: (-each.key_weeks, each.environment))
    return sorted(found[:COHORTS_MAX], key=lambda each: each.environment)
