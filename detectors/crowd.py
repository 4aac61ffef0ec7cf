"""Many more sources than usual: the key is shared or sold."""

from typing import NamedTuple

from detectors.baselines.newcomers import Newcomer
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted

_STRANGE_NATS = 1.0
_PLACES_MIN = 2
_DAY_SECONDS = 86_400.0
"""Nobody travels through several countries in a day: who found a key in public comes one by one."""
_ROAMING_SHARE = 0.4
"""What a network at home counts where the owner's tools are used: a telephone changes them."""


class Crowd(Detector):
    """New networks at once, each with somebody strange in it, or new countries in a day."""

    name = "crowd"
    question = "Do more people use the key than usual?"
    catches = "A key posted on a forum or sold on: strangers from many networks."
    misses = "A proxy that shows one address for all; guests at home who use the owner's tools."
    advice = "Revoke and give out separate keys; nobody can tell the strangers apart."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"shared": 1.3, "leaked": 0.6, "exposed": 0.8}
    about = "strangers"
    about_place = True
    score_max = 8.0

    def judge(self, key: KeyView) -> Finding | None:
        some: list[_Crowd] = []
        if len(key.newcomers) >= _PLACES_MIN:
            some.append(_at_once(key))
        if any(each.level == "country" for each in key.newcomers):
            some.append(_of_a_day(key))
        if not some:
            return None
        found = max(some, key=lambda each: each.many)
        score = 1.2 * (found.many - 1.0) * key.confidence
        if score < 0.5:
            return None
        hour = key.this_hour
        usual = max(1.0, key.history.crowd.record)
        return Finding(
            score=score,
            since=min(each.first for each in found.newcomers),
            summary=(
                f"{counted(hour.distinct_sources, 'address')} in this hour and {found.sentence}; "
                f"the most addresses in an hour so far: {usual:.0f}."
            ),
            evidence={
                "addresses_1h": hour.distinct_sources,
                "new_networks": sorted({each.network for each in found.newcomers})[:8],
                "record_addresses_1h": usual,
                "countries": sorted({each.country for each in found.newcomers if each.country})[:8],
            },
        )


class _Crowd(NamedTuple):
    """Strangers who came from several places."""

    newcomers: list[Newcomer]
    places: set[str]
    many: float
    """Places, by what each counts."""
    of_a_day: bool
    """They are countries, and not all at once."""

    @property
    def sentence(self) -> str:
        """Where they come from, in words."""
        if not self.of_a_day:
            return f"{counted(len(self.places), 'network')} never seen before"
        names = ", ".join(sorted(self.places)[:5])
        return f"in a day people in {len(self.places)} countries never seen before ({names})"


def _at_once(key: KeyView) -> _Crowd:
    newcomers = [each for each in key.newcomers if each.nats > _STRANGE_NATS]
    places = {each.network for each in newcomers}
    strange = {each.network for each in newcomers if not _is_roaming(key, each)}
    many = len(strange) + _ROAMING_SHARE * len(places - strange)
    return _Crowd(newcomers, places, many, of_a_day=False)


def _of_a_day(key: KeyView) -> _Crowd:
    since = key.now - _DAY_SECONDS
    newcomers = [
        each
        for each in key.history.newcomers.values()
        if each.level == "country" and each.nats > _STRANGE_NATS and each.last >= since
    ]
    places = {each.country for each in newcomers}
    return _Crowd(newcomers, places, float(len(places)), of_a_day=True)


def _is_roaming(key: KeyView, newcomer: Newcomer) -> bool:
    """Whether it may be the owner's telephone, which has another address each time."""
    at_home = newcomer.kind == "isp" and key.is_home(newcomer.country)
    return at_home and newcomer.has_usual_tools
