"""Use from a place that the key has never been used from."""

import math

from detectors.baselines.newcomers import Newcomer
from detectors.contract import Detector, Finding, KeyView, Trigger, dollars, span

_FULL_WEIGHT_REQUESTS = 12
"""Requests after which a new place counts in full: one stray request is no crowd."""


class NewSource(Detector):
    """Surprise at the deepest new level of a source, against how often this key brings new ones.

    Back-off from address range to network to country: Freeman et al., NDSS 2016.
    """

    name = "new_source"
    question = "Has the key ever been used from there?"
    catches = "A stolen key used from another country, network, VPN or Tor exit."
    misses = "A thief inside the key's own network; a key whose sources change all the time."
    advice = "Ask the owner whether the place is theirs. If nobody knows it, revoke."
    triggers = Trigger.NOVEL | Trigger.VOLUME | Trigger.MINUTE
    causes = {"leaked": 1.0, "shared": 0.8, "exposed": 0.5, "hygiene": 0.4}

    def judge(self, key: KeyView) -> Finding | None:
        newcomers = [each for each in key.newcomers() if each.nats > 0]
        if not newcomers:
            return None
        worst = max(newcomers, key=_score)
        score = _score(worst)
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
                "usual_countries": sorted(key.history.countries.values),
                "usual_networks": sorted(key.history.networks.values)[:5],
            },
        )


def _score(newcomer: Newcomer) -> float:
    requests = newcomer.totals.requests
    weight = min(1.0, math.log1p(requests) / math.log1p(_FULL_WEIGHT_REQUESTS))
    return newcomer.nats * weight + (3.0 if newcomer.hostile else 0.0)


def _sentence(key: KeyView, newcomer: Newcomer) -> str:
    place = newcomer.country or newcomer.network
    what = {"isp": "", "hosting": " (hosting)", "vpn": " (VPN)", "tor": " (Tor)"}
    usual = sorted(key.history.countries.values) or sorted(key.history.networks.values)
    home = ", ".join(usual[:3]) if usual else "nowhere in particular"
    return (
        f"{newcomer.totals.requests} requests ({dollars(newcomer.totals.nanos)}) in "
        f"{span(key.now - newcomer.first)} from {place}, {newcomer.network}"
        f"{what.get(newcomer.kind, '')}, a {newcomer.level} never seen in "
        f"{key.history.hours:.0f} active hours; usual: {home}."
    )
