"""Two distant places use the key at the same time."""

from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted, span

_BOTH_MIN = 2
_ALONE_NATS = 2.5
_AMONG_OTHERS_NATS = 1.0
"""Whoever works from several countries gains another one now and then, and where private
addresses are, nobody knows."""


class Interleaved(Detector):
    """A new country beside the key's own sources, within half an hour.

    Country geography is right far more often than cities are, so places are compared instead of
    travel speeds; hosting, VPN and anycast addresses have fictional places, so never a new country.
    """

    name = "interleaved"
    question = "Is the key in two countries at once?"
    catches = "A stranger far away who works while the owner works."
    misses = "A stranger in the owner's country, or behind a cloud address."
    advice = "One of the two is not the owner: ask which, and revoke."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"shared": 1.1, "leaked": 1.0}
    about = "strangers"
    score_max = _ALONE_NATS

    def judge(self, key: KeyView) -> Finding | None:
        far = [each for each in key.strangers if each.level == "country"]
        if not far:
            return None
        newest = max(far, key=lambda each: each.totals.requests)
        # What the owner did before the other came is no sign of two.
        minutes = min(30, key.minute - int(newest.first // 60))
        own = key.windows.recent(key.minute, minutes).requests
        own -= key.windows.recent_foreign(key.minute, minutes).requests
        if own < _BOTH_MIN or newest.totals.requests < _BOTH_MIN:
            return None
        usual = key.history.countries.values or key.history.networks.values
        home = ", ".join(sorted(usual)[:3])
        nats = _ALONE_NATS if len(key.history.countries.values) == 1 else _AMONG_OTHERS_NATS
        return Finding(
            score=nats * newest.sure(forgotten=key.is_waking) * key.confidence,
            since=newest.first,
            summary=(
                f"Used from {newest.country} for {span(key.now - newest.first)} while "
                f"{counted(own, 'request')} came from the usual places ({home}) in the last "
                f"{span(60.0 * minutes)}."
            ),
            evidence={
                "country": newest.country,
                "usual_countries": sorted(key.history.countries.values)[:5],
                "own_requests_30m": own,
            },
        )
