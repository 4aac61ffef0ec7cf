"""Use with a client (SDK, tool, user agent) that the key has never been used with."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from detectors.baselines.newcomers import Newcomer
from detectors.baselines.slices import slice_of
from detectors.contract import Detector, Finding, KeyView, Novelty, Trigger
from detectors.words import span

_FROM_NEWCOMER = 0.6
_FROM_OWN = 0.25
"""Share of the surprise: the owner's own machines change their tools now and then …"""
_FROM_UNKNOWN = 0.45
"""… and where no addresses are known, nobody can say whose machine it is."""
_MAJORITY = 0.5
_POPULAR = re.compile(r"openai|anthropic|langchain|litellm|llama|vercel|ai-sdk|genai|mistral")
_POPULAR_SHARE = 0.6
"""Everybody's libraries: what a new colleague brings along as well as a thief."""


class NewClient(Detector):
    """Surprise at the family of a user agent, whatever its version."""

    name = "new_client"
    question = "Does the key's owner use such a client?"
    catches = "A thief with tools of their own: curl, another SDK, a chat front end."
    misses = "A thief who copies the owner's user agent."
    advice = "Look at the client's name: does anybody in the team use it?"
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"leaked": 1.0, "shared": 0.95, "exposed": 0.95, "hygiene": 0.5}
    about = "strangers"
    score_max = 4.0

    def judge(self, key: KeyView) -> Finding | None:
        if not key.history.clients.hours:
            return None
        found = _unknown_client(key)
        if found is None or found.nats * key.confidence < 0.5:
            return None
        return Finding(
            score=found.nats * key.confidence,
            since=found.since,
            summary=(
                f"Client {found.client} in the last {span(key.now - found.since)}, never seen in "
                f"{key.history.hours:.0f} active hours; usual: "
                f"{', '.join(found.usual[:3])}."
            ),
            evidence={
                "client": found.client,
                "usual_clients": found.usual[:8],
                "new_source": found.by_stranger,
            },
        )

    def began(self, key: KeyView, finding: Finding) -> float:
        name, windows = finding.evidence["client"], key.windows
        kinds = [(token, slice_of(token)) for token in windows.tokens]
        its = [token for token, what in kinds if what.client == name]
        return windows.first_with(its, finding.since, key.minute)

    def novelties(self, evidence: Mapping[str, Any]) -> list[tuple[Novelty, str]]:
        return [("client", str(evidence["client"]))] if evidence.get("client") else []


class _Found(NamedTuple):
    """A client that is new, and those that are not."""

    nats: float
    client: str
    since: float
    usual: list[str]
    by_stranger: bool


def _unknown_client(key: KeyView) -> _Found | None:
    strangers = [each for each in key.newcomers if _is_stranger(each)]
    if strangers:
        worst = max(strangers, key=lambda each: each.unknown_clients)
        client = _unknown(key, worst.clients)
        share, since = _FROM_NEWCOMER * worst.sure(forgotten=key.is_waking), worst.first
    else:
        client = _unknown(key, [what.client for what in key.kinds_15m])
        share = _FROM_OWN if key.history.prefixes.values else _FROM_UNKNOWN
        since = key.now - 900.0
    if not client:
        return None
    if _POPULAR.search(client):
        share *= _POPULAR_SHARE
    nats = key.history.client_surprise(client) * share
    return _Found(nats, client, since, sorted(key.history.clients.values), bool(strangers))


def _is_stranger(newcomer: Newcomer) -> bool:
    return newcomer.unknown_clients > _MAJORITY * newcomer.totals.requests


def _unknown(key: KeyView, clients: list[str]) -> str:
    known = key.history.clients
    return next((each for each in clients if each and not known.knows(each)), "")
