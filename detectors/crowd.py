"""Many more sources than usual: the key is shared or sold."""

from detectors.baselines.newcomers import Newcomer
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted

_NEWCOMERS_MIN = 2
_ROAMING_SHARE = 0.4
"""What a network at home counts where the owner's tools are used: a telephone changes them."""


class Crowd(Detector):
    """New networks at once, each with somebody strange in it."""

    name = "crowd"
    question = "Do more people use the key than usual?"
    catches = "A key posted on a forum or sold on: strangers from many networks."
    misses = "A proxy that shows one address for all; guests at home who use the owner's tools."
    advice = "Revoke and give out separate keys; nobody can tell the strangers apart."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"shared": 1.3, "leaked": 0.6, "exposed": 0.8}
    about = "strangers"
    score_max = 8.0

    def judge(self, key: KeyView) -> Finding | None:
        if len(key.newcomers) < _NEWCOMERS_MIN:
            return None
        newcomers = [each for each in key.newcomers if each.nats > 1.0]
        places = {each.network for each in newcomers}
        if len(places) < _NEWCOMERS_MIN:
            return None
        hour = key.this_hour
        usual = max(1.0, key.history.crowd.record)
        strange = {each.network for each in newcomers if not _is_roaming(key, each)}
        many = len(strange) + _ROAMING_SHARE * len(places - strange)
        score = 1.2 * (many - 1.0) * key.confidence
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=min(each.first for each in newcomers),
            summary=(
                f"{counted(hour.distinct_sources, 'address')} in this hour and "
                f"{counted(len(places), 'network')} never seen before; the most addresses in "
                f"an hour so far: {usual:.0f}."
            ),
            evidence={
                "addresses_1h": hour.distinct_sources,
                "new_networks": sorted(places)[:8],
                "record_addresses_1h": usual,
                "countries": sorted({each.country for each in newcomers if each.country})[:8],
            },
        )


def _is_roaming(key: KeyView, newcomer: Newcomer) -> bool:
    """Whether it may be the owner's telephone, which has another address each time."""
    at_home = newcomer.kind == "isp" and key.is_home(newcomer.country)
    return at_home and newcomer.has_usual_tools
