"""Requests that are refused again and again, on a key whose requests hardly ever are."""

import math
from typing import Final, NamedTuple

from detectors.baselines.slices import BLAMED, slice_of
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted, span

_REQUESTS_MIN: Final = 15
_STRANGERS_MIN: Final = 5
"""Refusals from which it is a storm: by whomever, or by strangers alone."""
_SHARE_MIN: Final = 0.3
_SECONDS: Final = 900.0


class ErrorStorm(Detector):
    """Refusals (4xx but 429) against the key's usual share of failures.

    Asked are the last 15 minutes of the whole key, and what strangers did since they came.
    """

    name = "error_storm"
    question = "Is the key refused far more often than usual?"
    catches = "Scripts that try what works, with bad parameters, wrong models, dead keys."
    misses = "Storms of 429 and 5xx, which say something about the provider."
    advice = "Look at who is refused: a new source is trying the key out, an own one is broken."
    triggers = Trigger.NOVEL | Trigger.VOLUME | Trigger.WATCHED
    causes = {"leaked": 1.0, "hygiene": 1.0, "runaway": 0.4}
    score_max = 3.5

    def judge(self, key: KeyView) -> Finding | None:
        storms = [each for each in (_of_key(key), _of_strangers(key)) if each is not None]
        if not storms:
            return None
        storm = max(storms, key=lambda each: each.share)
        if storm.share < _SHARE_MIN:
            return None
        known = key.history
        usual = (known.failing * known.hours + 0.1) / (known.hours + 2.0)
        score = 0.8 * math.log(storm.share / min(1.0, usual)) * key.confidence
        score *= key.refusals_weight
        if score < 0.5:
            return None
        whose = " by new sources" if storm.strangers else ""
        return Finding(
            score=score,
            since=key.now - storm.seconds,
            summary=(
                f"{storm.refused:,} of {counted(storm.requests, 'request')}{whose} in "
                f"{span(storm.seconds)} were refused for what they asked or who asked; usually "
                f"{usual:.1%} fail."
            ),
            evidence={
                "refused": storm.refused,
                "requests": storm.requests,
                "seconds": storm.seconds,
                "new_sources": storm.strangers,
                "usual_share": usual,
            },
        )

    def began(self, key: KeyView, finding: Finding) -> float:
        windows = key.windows
        refused = [token for token in windows.tokens if slice_of(token).outcome in BLAMED]
        return windows.first_with(refused, finding.since, key.minute)


class _Storm(NamedTuple):
    """Refusals among some requests."""

    refused: int
    requests: int
    seconds: float
    strangers: bool = False

    @property
    def share(self) -> float:
        """Of the requests."""
        return self.refused / self.requests


def _of_key(key: KeyView) -> _Storm | None:
    if key.last_15m.errors < _REQUESTS_MIN:  # whoever is to blame
        return None
    refused = sum(totals.requests for what, totals in key.sums_15m if what.outcome in BLAMED)
    return _Storm(refused, key.last_15m.requests, _SECONDS) if refused >= _REQUESTS_MIN else None


def _of_strangers(key: KeyView) -> _Storm | None:
    strangers = [each for each in key.newcomers if each.is_strange]
    refused = sum([each.failures for each in strangers])
    if refused < _STRANGERS_MIN:
        return None
    requests = sum(each.totals.requests for each in strangers)
    seconds = key.now - min(each.first for each in strangers)
    return _Storm(refused, requests, seconds, strangers=True)
