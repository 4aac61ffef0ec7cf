"""Use from a country that the owner of the key never allowed."""

from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted, span

_FIRST_NATS = 4.0
"""One request may be somebody at an airport …"""
_NATS = 5.5
_SURE_REQUESTS = 3
_ELSEWHERE = frozenset({"hosting", "vpn"})
_FICTIONAL_NATS = 3.9
"""Where a host or a VPN registered its addresses is not where its customers are."""
_FROM_THE_FIRST_NATS = 4.5
"""Where the key works from its first hour on, and nowhere else, it may as well be the list that is
wrong."""


class ForbiddenCountry(Detector):
    """New sources in countries that the registry's `allowed_countries` leaves out."""

    name = "forbidden_country"
    question = "Is the key used only where its owner allows it?"
    catches = "A stolen key used abroad, from the first requests on."
    misses = "Keys without such a list; thieves at home or behind addresses without a country."
    advice = "Revoke unless the owner knows who it is; then add the country to the registry."
    triggers = Trigger.NOVEL | Trigger.WATCHED
    causes = {"leaked": 1.0, "shared": 0.9, "exposed": 0.8}
    score_max = 6.0
    about = "facts"
    about_place = True

    def judge(self, key: KeyView) -> Finding | None:
        if key.record is None:
            return None
        outside = [each for each in key.newcomers if key.record.forbids(each.country)]
        if not outside:
            return None
        allowed = sorted(each.upper() for each in key.record.allowed_countries or ())
        requests = sum(each.totals.requests for each in outside)
        score = _NATS if requests >= _SURE_REQUESTS else _FIRST_NATS
        if all(each.kind in _ELSEWHERE for each in outside):
            score = _FICTIONAL_NATS
        elif not any(each.is_strange for each in outside) and not _is_used_at_home(key):
            score = min(score, _FROM_THE_FIRST_NATS)
        first = min(each.first for each in outside)
        countries = sorted({each.country for each in outside})
        return Finding(
            score=score,
            since=first,
            summary=(
                f"{counted(requests, 'request')} in {span(key.now - first)} from "
                f"{', '.join(countries[:4])}; the registry allows only {', '.join(allowed[:6])}."
            ),
            evidence={"countries": countries[:8], "allowed_countries": allowed[:20]},
        )


def _is_used_at_home(key: KeyView) -> bool:
    """Whether it is used from a country that its owner allows, too."""
    record = key.record
    return record is not None and any(map(record.allows, key.history.countries.values))
