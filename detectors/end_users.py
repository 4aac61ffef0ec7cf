"""Many more end users than usual: what was one team's key serves a crowd."""

import math

from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted, span, times

_HOURS_MIN = 8
"""Hours with end users that must be known: a gateway that has begun to name them is no news."""
_GROWTH_MIN = 3.0
_USERS_MIN = 6
_FIRST_NAMES_MIN = 5
"""Requests by strangers that name end users, where the key's own sources never name any."""
_FIRST_NATS = 0.4
"""Nats for each factor e of hours in which the key named nobody …"""
_FIRST_USERS_NATS = 0.9
"""… and of end users beyond the second."""
_SAME_SOURCES = 0.4
"""Factor where only the key's own sources serve them: a launch brings users too."""


class EndUsers(Detector):
    """Distinct end users of an hour, as the gateway names them, against the key's own record."""

    name = "end_users"
    question = "Do more end users stand behind the key than usual?"
    catches = "A key built into somebody else's product, or sold on through a reseller's proxy."
    misses = "Resellers that name no end users; keys that always served many."
    advice = (
        "Ask the owner for a launch; if there was none, find out whose product names such users."
    )
    triggers = Trigger.NOVEL | Trigger.VOLUME | Trigger.WATCHED
    causes = {"shared": 1.2, "exposed": 0.9, "leaked": 0.7, "growth": 0.8}
    score_max = 5.0

    def judge(self, key: KeyView) -> Finding | None:
        users, level = key.this_hour.distinct_users, key.history.end_users
        if not users or key.history.learning:
            return None
        if not level.spread.n:
            return _first_names(key, users)
        if level.spread.n < _HOURS_MIN or users < _USERS_MIN:
            return None
        record = level.record
        growth = users / record
        if growth < _GROWTH_MIN:
            return None
        foreign = key.foreign_5m.requests > 0
        score = 1.8 * math.log(growth) * (1.0 if foreign else _SAME_SOURCES)
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=max(key.history.first_seen, key.hour * 3600.0),
            summary=(
                f"{users} end users in this hour, {times(users, record, 'the most')} in an hour so "
                f"far ({record:.0f}), {'some' if foreign else 'none'} of them through new sources."
            ),
            evidence={
                "end_users_1h": users,
                "record_end_users_1h": level.record,
                "usual_end_users_1h": level.usual,
                "new_sources": foreign,
            },
        )


def _first_names(key: KeyView, users: int) -> Finding | None:
    """What is said when strangers name end users, and the key's own sources never did."""
    requests = sum(each.first_names for each in key.newcomers)
    if requests < _FIRST_NAMES_MIN:
        return None
    hours, since = key.history.hours, min(each.first for each in key.newcomers)
    nats = _FIRST_NATS * math.log1p(hours) + _FIRST_USERS_NATS * math.log(max(1.0, users / 2))
    score = nats * (1.0 - key.replaced) * key.confidence
    if score < 0.5:
        return None
    return Finding(
        score=score,
        since=since,
        summary=(
            f"{counted(requests, 'request')} by new sources in {span(key.now - since)} name end "
            f"users, {users} in this hour, where none was named in {hours:.0f} active hours."
        ),
        evidence={"end_users_1h": users, "requests": requests, "new_sources": True},
    )
