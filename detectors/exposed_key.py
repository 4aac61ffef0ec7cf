"""The key is in a web page or an app: browsers and phones call with it."""

import math
from collections.abc import Mapping

from detectors.baselines.slices import slice_of
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted
from schemas.incident import Cause

_SOURCES_FULL = 4
_SECONDS = 900.0
_WEIGHTS = (0.0, 0.6, 0.85, 1.0)
"""Share of the surprise that counts after so many requests: one may be somebody's try."""
_ONE_PERSON: Mapping[Cause, float] = {"exposed": 1.25, "leaked": 0.8, "shared": 0.6}
"""A browser at one or two addresses may also be somebody with a chat front end."""
_ONE_PERSON_SOURCES = 2


class ExposedKey(Detector):
    """Requests with an Origin or from browsers, from addresses all over the place."""

    name = "exposed_key"
    question = "Do browsers or phones of strangers use the key?"
    catches = "A key shipped in a front end or a mobile app."
    misses = "A front end that hides behind a proxy; keys that were always used so."
    advice = "Take the key out of the front end, put a server of yours between, rotate the key."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"exposed": 1.0, "shared": 0.5, "leaked": 0.4}
    about = "strangers"
    score_max = 9.0

    def judge(self, key: KeyView) -> Finding | None:
        if not key.history.hours:
            return None
        kinds = [slice_of(token) for token in key.windows.named(key.this_hour.slices)]
        addresses = {what.ip for what in kinds if what.exposed}
        if not addresses:
            return None
        recent = [(what, totals) for what, totals in key.sums_15m if what.exposed]
        requests = sum(totals.requests for _, totals in recent)
        addresses.update(what.ip for what, _ in recent)
        if not requests:
            return None
        usual = (key.history.exposed_hours + 0.05) / (key.history.hours + 1.0)
        surprise = -math.log(min(1.0, usual))
        crowd = min(1.0, len(addresses) / _SOURCES_FULL)
        weight = _WEIGHTS[min(requests, len(_WEIGHTS) - 1)]
        score = surprise * (0.25 + 0.9 * crowd) * weight * key.confidence * key.newcomers_weight
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=key.hour * 3600.0,
            causes=_ONE_PERSON if len(addresses) <= _ONE_PERSON_SOURCES else None,
            summary=(
                f"{counted(requests, 'request')} in 15 minutes from browsers or apps, at "
                f"{counted(len(addresses), 'address')} then or in this hour; usual in "
                f"{usual:.1%} of the key's active hours."
            ),
            evidence={
                "requests_15m": requests,
                "addresses": len(addresses),
                "usual_share": usual,
            },
        )

    def began(self, key: KeyView, finding: Finding) -> float:
        windows, since = key.windows, max(finding.since, key.now - _SECONDS)
        exposed = [token for token in windows.tokens if slice_of(token).exposed]
        return windows.first_with(exposed, since, key.minute)
