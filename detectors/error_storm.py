"""Requests that are refused again and again, on a key whose requests hardly ever are."""

import math
from typing import Final

from detectors.baselines.slices import REFUSED
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted

_BLAMED: Final = REFUSED | {"invalid"}
"""Outcomes that the client is to blame for; 429 and 5xx are the provider's weather."""
_REQUESTS_MIN = 15
_SHARE_MIN = 0.3


class ErrorStorm(Detector):
    """Refusals (4xx but 429) in 15 minutes, against the key's usual share of failures."""

    name = "error_storm"
    question = "Is the key refused far more often than usual?"
    catches = "Scripts that try what works, with bad parameters, wrong models, dead keys."
    misses = "Storms of 429 and 5xx, which say something about the provider."
    advice = "Look at who is refused: a new source is trying the key out, an own one is broken."
    triggers = Trigger.NOVEL | Trigger.VOLUME | Trigger.WATCHED
    causes = {"leaked": 1.0, "hygiene": 1.0, "runaway": 0.4}
    score_max = 3.5

    def judge(self, key: KeyView) -> Finding | None:
        if key.last_15m.errors < _REQUESTS_MIN:  # whoever is to blame
            return None
        refused = sum(totals.requests for what, totals in key.kinds_15m if what.outcome in _BLAMED)
        total = key.last_15m.requests
        if refused < _REQUESTS_MIN or refused < _SHARE_MIN * total:
            return None
        usual = (key.history.failing * key.history.hours + 0.1) / (key.history.hours + 2.0)
        score = 0.8 * math.log(refused / total / min(1.0, usual)) * key.confidence
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=key.now - 900.0,
            summary=(
                f"{refused:,} of {counted(total, 'request')} in 15 minutes were refused for what "
                f"they asked or who asked; usually {usual:.1%} fail."
            ),
            evidence={"refused_15m": refused, "requests_15m": total, "usual_share": usual},
        )
