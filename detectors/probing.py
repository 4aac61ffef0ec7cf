"""Somebody finds out what the key can do, before using it."""

from detectors.baselines.history import History
from detectors.baselines.slices import REFUSED, Slice
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted

_LISTING = ("models.list", "list_models", "models")


class Probing(Detector):
    """Listing models, and refusals (401, 403, 404) spread over several models, in 15 minutes.

    Published rules: more than three validation errors a minute; models listed, then used by the
    same key within 15 minutes (Bedrock detections of several vendors).
    """

    name = "probing"
    question = "Is somebody trying out what the key can do?"
    catches = "The look around that comes minutes before the spending."
    misses = "A thief who knows what the key is good for."
    advice = "Look at the source of the refused requests; if it is new, revoke at once."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"leaked": 1.0, "shared": 0.4, "hygiene": 0.4}
    score_max = 6.0

    def judge(self, key: KeyView) -> Finding | None:
        if not key.history.hours:
            return None
        if not any(_is_odd(what, key.history) for what in key.kinds_15m):
            return None
        refused: set[str] = set()
        tried: set[str] = set()
        refusals = listings = 0
        for what, totals in key.sums_15m:
            if what.operation in _LISTING:
                listings += totals.requests
            if what.outcome in REFUSED:
                refusals += totals.requests
                refused.add(what.model)
            if what.model and not key.history.models.knows(what.model):
                tried.add(what.model)
        score = 1.2 * max(0, len(refused) - 1)
        score += 1.5 if listings and key.history.hours >= 1 and refusals + len(tried) else 0.0
        score *= key.confidence * key.refusals_weight
        if score < 1.0:
            return None
        return Finding(
            score=score,
            since=key.now - 900.0,
            summary=(
                f"{counted(refusals, 'request')} refused over {counted(len(refused), 'model')}, "
                f"{counted(len(tried), 'model')} never used before and "
                f"{counted(listings, 'listing')} of models in 15 minutes."
            ),
            evidence={
                "refusals": refusals,
                "models_refused": sorted(refused)[:8],
                "models_new": sorted(tried)[:8],
                "listings": listings,
            },
        )


def _is_odd(what: Slice, history: History) -> bool:
    """Whether such a request may be a part of looking around."""
    return (
        what.operation in _LISTING
        or what.outcome in REFUSED
        or (what.model != "" and not history.models.knows(what.model))
    )
