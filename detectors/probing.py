"""Somebody finds out what the key can do, before using it."""

from detectors.baselines.history import History
from detectors.baselines.slices import REFUSED, Slice, slice_of
from detectors.baselines.totals import Totals
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted

_LISTING = ("models.list", "list_models", "models")
_TASTE_INPUT, _TASTE_OUTPUT = 40, 5
"""Tokens of a request that asks no more than whether the model answers …"""
_USUAL_OUTPUT_MIN = 25
"""… of a key whose own answers are not as short …"""
_TASTED_MIN = 3
"""… over at least so many models."""


class Probing(Detector):
    """Listing models, and trying several of them, in 15 minutes.

    A model is tried by a request that is refused (401, 403, 404), and by a stranger's for a word.

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
        history, menu = key.history, _menu(key)
        if not history.hours:
            return None
        if not menu and not any(_is_looking_around(what) for what in key.kinds_15m):  # mostly
            return None
        refused: set[str] = set()
        tasted: set[str] = set()
        tried: set[str] = set()
        refusals = listings = 0
        for what, totals in key.sums_15m:
            if what.operation in _LISTING:
                listings += totals.requests
            if what.outcome in REFUSED:
                refusals += totals.requests
                refused.update({what.model} - {""})
            elif what.model in menu and _is_taste(totals):
                tasted.add(what.model)
            if what.model and not history.models.knows(what.model):
                tried.add(what.model)
        if len(tasted) < _TASTED_MIN:
            tasted.clear()
        score = 1.2 * max(0, len(refused | tasted) - 1)
        score += 1.5 if listings and history.hours >= 1 and refusals + len(tried) else 0.0
        score *= key.confidence * key.refusals_weight
        if score < 1.0:
            return None
        said = (
            (refusals, f"{counted(refusals, 'request')} refused{_over(refused)}"),
            (tasted, f"{counted(len(tasted), 'model')} asked by new sources for a word alone"),
            (tried, f"{counted(len(tried), 'model')} never used before"),
            (listings, f"{counted(listings, 'listing')} of models"),
        )
        return Finding(
            score=score,
            since=key.now - 900.0,
            summary=(
                f"In 15 minutes {', '.join([text for number, text in said if number])}; usually "
                f"the key uses {counted(len(history.models.values), 'model')}, and "
                f"{history.failing:.1%} of its requests fail."
            ),
            evidence={
                "refusals": refusals,
                "models_refused": sorted(refused)[:8],
                "models_tasted": sorted(tasted)[:8],
                "models_new": sorted(tried)[:8],
                "listings": listings,
            },
        )

    def began(self, key: KeyView, finding: Finding) -> float:
        windows, history = key.windows, key.history
        odd = [token for token in windows.tokens if _is_odd(slice_of(token), history)]
        return windows.first_with(odd, key.first_use(finding.since), key.minute)


def _menu(key: KeyView) -> set[str]:
    """What strangers use who use several models, of a key with answers of some length."""
    strangers = [each for each in key.newcomers if each.is_strange]
    models = {name for each in strangers for name in each.models}
    own = key.history.shape
    wordy = own.samples > 0 and own.usual[1] >= _USUAL_OUTPUT_MIN
    return models if wordy and len(models) >= _TASTED_MIN else set()


def _over(models: set[str]) -> str:
    return f" over {counted(len(models), 'model')}" if models else ""


def _is_taste(totals: Totals) -> bool:
    """Whether such requests get no more than a word each; embeddings get none."""
    answers = totals.requests - totals.errors
    least, most = answers, _TASTE_OUTPUT * answers
    return least <= totals.output_tokens <= most and totals.input_tokens <= _TASTE_INPUT * answers


def _is_looking_around(what: Slice) -> bool:
    return what.operation in _LISTING or what.outcome in REFUSED


def _is_odd(what: Slice, history: History) -> bool:
    """Whether such a request may be a part of looking around."""
    new = what.model != "" and not history.models.knows(what.model)
    return new or _is_looking_around(what)
