"""Which attack or change happens to which key, and when."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.simulate import attacks, misuse
from pipeline.simulate.arrivals import DAY, Rng
from pipeline.simulate.changes import CHANGES, EVERYONE, PEOPLE, Change, outage
from pipeline.simulate.choice import log_uniform, pick
from pipeline.simulate.parties import Party
from pipeline.simulate.tenants import Episode, Tenant, successor
from pipeline.simulate.theft import Theft
from schemas.incident import Cause

ASLEEP = frozenset({"office", "notebook", "team", "ci", "demo", "sheet"})
"""Archetypes whose nights are quiet."""


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack, the cause that an incident should name, and the keys that it can happen to."""

    apply: Callable[[Theft], Party]
    cause: Cause
    accepted: tuple[Cause, ...] = ()
    suits: frozenset[str] = EVERYONE

    @property
    def kind(self) -> str:
        """The label's kind."""
        return self.apply.__name__

    def happen(self, tenant: Tenant, at: float, *, strong: bool) -> None:
        """Attack the tenant, and note the episode."""
        party = self.apply(Theft(tenant, at, strong))
        party.malicious = True
        hours = 0.0
        if self.kind == "off_gateway":
            hours = log_uniform(tenant.rng, 20, 200) if strong else log_uniform(tenant.rng, 1, 6)
        tenant.episodes.append(
            Episode(
                self.kind,
                min(p.start for p in party.phases),
                max(p.end for p in party.phases),
                malicious=True,
                cause=self.cause,
                accepted=self.accepted,
                strength="strong" if strong else "weak",
                party=party,
                off_gateway_usd_per_hour=hours,
            )
        )


ATTACKS = (
    Attack(attacks.stolen_bulk, "leaked"),
    Attack(attacks.slow_thief, "leaked"),
    Attack(attacks.resale, "shared", ("leaked",)),
    Attack(attacks.probe_then_spend, "leaked"),
    Attack(attacks.token_stuffing, "leaked", ("runaway", "budget")),
    Attack(attacks.off_hours, "leaked", ("runaway",), ASLEEP),
    Attack(attacks.mimic, "leaked", ("shared",)),
    Attack(attacks.browser_exposed, "exposed"),
    Attack(attacks.forum_shared, "shared", ("leaked",)),
    Attack(misuse.dormant_wakes, "leaked"),
    Attack(misuse.revoked_used, "revoked_use"),
    Attack(misuse.canary_touched, "leaked"),
    Attack(misuse.off_gateway, "off_gateway"),
    Attack(misuse.runaway, "runaway"),
    Attack(attacks.expensive_switch, "leaked"),
    Attack(attacks.interleaved, "shared", ("leaked",), PEOPLE | {"nightly", "backend", "agents"}),
    Attack(attacks.slow_ramp, "leaked"),
    Attack(misuse.budget_burn, "budget", ("runaway", "growth")),
)
KINDS = tuple(attack.kind for attack in ATTACKS)


def attack_some(
    rng: Rng, tenants: list[Tenant], share: float, quiet_days: float, kinds: tuple[str, ...]
) -> set[int]:
    """Attack a share of the keys, every kind and strength about as often; returns whom."""
    deck = [(a, s) for a in ATTACKS if not kinds or a.kind in kinds for s in (True, False)]
    count = round(share * len(tenants))
    free = [int(i) for i in rng.permutation(len(tenants))]
    hit: set[int] = set()
    order: list[int] = []
    while len(hit) < count and free and deck:
        if not order:
            order = [int(i) for i in rng.permutation(len(deck))]
        attack, strong = deck[order.pop()]
        victim = next((i for i in free if tenants[i].archetype in attack.suits), None)
        if victim is None:
            break
        free.remove(victim)
        hit.add(victim)
        tenant = tenants[victim]
        attack.happen(tenant, _when(rng, tenant, quiet_days, 0.9), strong=strong)
    return hit


def change_some(
    rng: Rng, tenants: list[Tenant], share: float, quiet_days: float, spared: set[int]
) -> list[Tenant]:
    """Let benign changes happen to a share of the keys; returns the keys that came new."""
    new: list[Tenant] = []
    for i, tenant in enumerate(tenants):
        if i in spared or rng.random() >= share:
            continue
        at = _when(rng, tenant, quiet_days, 0.85)
        suitable: list[Change | None] = [c for c in CHANGES if tenant.archetype in c.suits]
        change = pick(rng, [*suitable, None])
        if change is not None:
            change.happen(tenant, at)
            continue
        tenant.episodes.append(Episode("rotation", at, at + DAY))
        new.append(successor(tenant, at))
        new[-1].episodes.append(Episode("rotation", at, at + 2 * DAY))
    return new


def fail_providers(rng: Rng, tenants: list[Tenant], quiet_days: float) -> None:
    """One outage of a provider in every span."""
    outage(
        tenants, pick(rng, ("openai", "anthropic")), _when(rng, tenants[0], quiet_days, 0.95), rng
    )


def _when(rng: Rng, tenant: Tenant, quiet_days: float, latest: float) -> float:
    first = tenant.start + quiet_days * DAY
    last = tenant.start + (tenant.end - tenant.start) * latest
    return float(rng.uniform(first, max(first, last)))
