"""Use from a place that the key has never been used from."""

from collections.abc import Mapping
from typing import Any

from detectors.baselines.newcomers import Newcomer
from detectors.contract import Detector, Finding, KeyView, Novelty, Trigger
from detectors.words import counted, network, paid, span

_SAME_COUNTRY_NATS = 1.5
"""Taken off for another line in a country that is the key's own, or that its owner lists: a
colleague, a new office."""
_REPLACED_NATS = 4.0
"""Taken off when the newcomer took the place of the key's own sources: travel, migration."""
_HOSTILE_NATS = 4.0
_SAME_TOOLS_NATS = 1.4
"""Taken off for a newcomer with the owner's clients and models …"""
_SAME_TOOLS_MAX = 6.0
"""… whose place alone wakes nobody."""
_RENTED_NATS = 1.0
"""Added for a rented machine at a host that is new to the key, which may run a copy of the owner's
program: the same tools do not help it."""
_KINDS = {"hosting": "hosting", "vpn": "VPN", "tor": "Tor", "proxy": "company proxy"}


class NewSource(Detector):
    """Surprise at the deepest new level of a source, against how often this key brings new ones.

    Back-off from address range to network to country: Freeman et al., NDSS 2016.
    """

    name = "new_source"
    question = "Has the key ever been used from there?"
    catches = "A stolen key used from another country, network, VPN or Tor exit."
    misses = "A thief inside the key's own network; a key whose sources change all the time."
    advice = "Ask the owner whether the place is theirs. If nobody knows it, revoke."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"leaked": 1.0, "shared": 0.95, "exposed": 0.95, "hygiene": 0.4}
    about = "strangers"
    about_place = True

    def judge(self, key: KeyView) -> Finding | None:
        newcomers = key.newcomers
        if not newcomers:
            return None
        scores = [_score(key, each) for each in newcomers]
        nats = max(scores)
        if key.confidence * nats < 0.5:
            return None
        worst = newcomers[scores.index(nats)]
        # Nobody travels or moves a service to Tor.
        replaced = 0.0 if worst.kind == "tor" else key.replaced
        score = key.confidence * (nats - _REPLACED_NATS * replaced)
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=worst.first,
            summary=_sentence(key, worst),
            evidence={
                "country": worst.country or None,
                "network": worst.network,
                "prefix": worst.prefix,
                "kind": worst.kind,
                "new": worst.level,
                "requests": worst.totals.requests,
                "spend_usd": worst.totals.nanos / 1e9,
                "clients": worst.clients,
                "usual_countries": sorted(key.history.countries.values)[:5],
                "usual_networks": sorted(key.history.networks.values)[:5],
            },
        )

    def novelties(self, evidence: Mapping[str, Any]) -> list[tuple[Novelty, str]]:
        kinds: list[Novelty] = ["prefix", "network", "country"]
        deepest = kinds.index(evidence["new"]) if evidence.get("new") in kinds else 0
        return [(kind, str(evidence[kind])) for kind in kinds[: deepest + 1] if evidence.get(kind)]


def _score(key: KeyView, newcomer: Newcomer) -> float:
    nats, rented = newcomer.nats, newcomer.is_rented
    if rented:
        nats += _RENTED_NATS
    elif newcomer.level == "network" and key.is_home(newcomer.country):
        nats -= _SAME_COUNTRY_NATS
    if newcomer.has_usual_tools and newcomer.kind != "tor":
        nats = min(nats if rented else nats - _SAME_TOOLS_NATS, _SAME_TOOLS_MAX)
    sure = newcomer.sure(forgotten=key.is_waking)
    return nats * sure + (_HOSTILE_NATS if newcomer.hostile else 0.0)


def _sentence(key: KeyView, newcomer: Newcomer) -> str:
    level = newcomer.level
    name = newcomer.prefix if level == "prefix" else network(newcomer.network)
    place = ", ".join(filter(None, (newcomer.country, name)))
    kind = _KINDS.get(newcomer.kind, "")
    what = f" ({kind})" if kind not in {"", newcomer.network} else ""
    usual = ", ".join(_usual(key, level)[:3]) or "nowhere in particular"
    return (
        f"{counted(newcomer.totals.requests, 'request')} ({paid(newcomer.totals)}) in "
        f"{span(key.now - newcomer.first)} from {place}{what}, a {level} never seen in "
        f"{key.history.hours:.0f} active hours; usual: {usual}."
    )


def _usual(key: KeyView, level: str) -> list[str]:
    """Where the key is used from, told as finely as what is new."""
    history = key.history
    if level == "prefix":
        return sorted(history.prefixes.values)
    countries = sorted(history.countries.values) if level == "country" else []
    return countries or [network(each) for each in sorted(history.networks.values)]
