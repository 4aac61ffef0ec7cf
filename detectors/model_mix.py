"""Models that the key has never used, above all dear ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detectors.baselines.coding_agents import work_weight
from detectors.baselines.history import History
from detectors.baselines.slices import BLAMED, Slice, slice_of
from detectors.baselines.totals import Totals
from detectors.contract import Detector, Finding, KeyView, Novelty, Trigger
from detectors.words import counted, dollars, quoted, span
from detectors.worth import invested
from schemas.incident import Cause

_SHARE = 0.5
_DEAR_NATS = 1.2
"""Nats for each factor e by which a request costs more than usual, and at most …"""
_DEAR_MAX = 4.0
_MENU_NATS = 0.5
"""Nats for each further new model."""
_REQUESTS_MIN = 2
_OWN_REQUESTS = 20
"""Fewer from the key's own sources may be its owner's try."""
_REPLACED = 0.4
"""What counts when the new model does the work of the old ones: an upgrade …"""
_OLD_SHARE = 0.25
"""… that is, those have fallen to so small a share of their usual work …"""
_NEW_SHARE = 2.0
"""… and the new one does no more than so many times that …"""
_WORK_MIN = 3.0
"""… of so many requests so far in the hour at least."""
_OF_AN_UPGRADE: Mapping[Cause, float] = {"growth": 1.0, "runaway": 0.6, "leaked": 0.6}


class ModelMix(Detector):
    """Surprise at a model, and at what a request with it costs."""

    name = "model_mix"
    question = "Does the key use such models, at such a price?"
    catches = "A thief who goes for the dearest models, or tries what is on the menu."
    misses = "A thief content with the key's usual model."
    advice = "Ask whether an upgrade was planned; if the source is new as well, revoke."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"leaked": 1.0, "shared": 0.95, "runaway": 0.2, "growth": 0.3}
    score_max = 6.5

    def judge(self, key: KeyView) -> Finding | None:
        unknown = _unusual(key) if key.history.hours else {}
        if not unknown:
            return None
        tried = max(_lately(key, unknown), _by_strangers(key), key=lambda each: each.requests)
        if tried.requests < _REQUESTS_MIN:
            return None
        name = max(unknown, key=lambda each: (unknown[each].nanos, each))
        usual = key.history.price.usual
        price = unknown[name].nanos / unknown[name].requests
        dear = max(0.0, math.log(price / usual)) if usual and price else 0.0
        at = "an unknown price" if unknown[name].unpriced else dollars(price)
        models = sorted(tried.models | unknown.keys())
        menu = _MENU_NATS * (len(models) - 1)
        dear = min(_DEAR_MAX, _DEAR_NATS * dear * invested(tried.nanos))
        score = _SHARE * key.history.model_surprise(name) + dear + menu
        score *= key.confidence * work_weight(_clients(key))
        replaced = key.is_among_its_own and _is_replaced(key, unknown)
        if replaced:
            score *= _REPLACED
        elif key.is_among_its_own:
            score *= min(1.0, math.log1p(tried.requests) / math.log1p(_OWN_REQUESTS))
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=tried.since,
            causes=_OF_AN_UPGRADE if replaced else None,
            summary=(
                f"{counted(tried.requests, 'request')} in {span(key.now - tried.since)} to "
                f"{counted(len(models), 'model')} new to it, now {quoted(name)} at {at} a request"
                f"{f'; usual: {dollars(usual)}' if usual else ''}."
            ),
            evidence={
                "models": models[:8],
                "usual_models": sorted(key.history.models.values)[:8],
                "usd_per_request": price / 1e9,
                "usual_usd_per_request": usual / 1e9,
            },
        )

    def began(self, key: KeyView, finding: Finding) -> float:
        new = [token for token in key.windows.tokens if _is_unusual(slice_of(token), key.history)]
        return key.windows.first_with(new, finding.since, key.minute)

    def novelties(self, evidence: Mapping[str, Any]) -> list[tuple[Novelty, str]]:
        models = evidence.get("models")
        return [("model", str(each)) for each in models] if isinstance(models, list) else []


@dataclass(frozen=True, slots=True)
class _Tried:
    """What was done with models that are new to a key, since when."""

    models: set[str]
    requests: int
    nanos: float
    since: float


def _clients(key: KeyView) -> list[str]:
    """Who uses models that are new to the key."""
    return [what.client for what in key.kinds_15m if _is_unusual(what, key.history)]


def _lately(key: KeyView, unknown: Mapping[str, Totals]) -> _Tried:
    return _Tried(
        set(unknown),
        sum(each.requests for each in unknown.values()),
        sum(each.nanos for each in unknown.values()),
        key.now - 900.0,
    )


def _by_strangers(key: KeyView) -> _Tried:
    """All that they tried since they came: who takes little at a time adds up."""
    strangers = [each for each in key.newcomers if each.unknown_models]
    return _Tried(
        {
            name
            for each in strangers
            for name in each.models
            if not key.history.is_usual_model(name)
        },
        sum(each.unknown_models for each in strangers),
        sum(each.totals.nanos * each.unknown_models / each.totals.requests for each in strangers),
        min((each.first for each in strangers), default=key.now),
    )


def _is_replaced(key: KeyView, unknown: Mapping[str, Totals]) -> bool:
    """Whether models that are new to the key have taken over the work of its usual ones."""
    slices = key.this_hour.slices
    usual = key.expected[0] * (key.now / 3600 - key.hour)
    if usual < _WORK_MIN:
        return False
    kinds = [slice_of(token).model for token in key.windows.named(slices)]
    old = sum(n for n, model in zip(slices.values(), kinds, strict=True) if model not in unknown)
    return old <= _OLD_SHARE * usual and key.this_hour.requests - old <= _NEW_SHARE * usual


def _unusual(key: KeyView) -> dict[str, Totals]:
    """What was done with models that the key does not usually use, by model."""
    models: dict[str, Totals] = {}
    is_usual = key.history.is_usual_model
    if all(is_usual(what.model) for what in key.kinds_15m if what.model):  # mostly
        return models
    for what, totals in key.sums_15m:
        if _is_unusual(what, key.history):
            models.setdefault(what.model, Totals()).add(totals)
    return models


def _is_unusual(what: Slice, history: History) -> bool:
    served = what.model != "" and what.outcome not in BLAMED
    return served and not history.is_usual_model(what.model)
