"""Many more end users than usual: what was one team's key serves a crowd."""

import math

from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import times

_HOURS_MIN = 8
"""Hours with end users that must be known: a gateway that has begun to name them is no news."""
_GROWTH_MIN = 3.0
_USERS_MIN = 6
_NEVER_NAMED = 2.0
"""What a key whose own sources never name end users is taken to have, if strangers name some."""
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
        if users < _USERS_MIN or key.history.learning:
            return None
        named = level.spread.n >= _HOURS_MIN
        if not named and (level.spread.n or not _only_strangers(key)):
            return None
        record = level.record if named else _NEVER_NAMED
        growth = users / record
        if growth < _GROWTH_MIN:
            return None
        foreign = key.foreign_5m.requests > 0
        score = 1.8 * math.log(growth) * (1.0 if foreign else _SAME_SOURCES)
        most = f"{times(users, record)} the most in an hour so far ({record:.0f})"
        if not named:
            score *= 1.0 - key.replaced
            most = "where none was ever named before"
        if score < 0.5:
            return None
        return Finding(
            score=score,
            since=max(key.history.first_seen, key.hour * 3600.0),
            summary=(
                f"{users} end users in this hour, {most}, {'some' if foreign else 'none'} of them "
                "through new sources."
            ),
            evidence={
                "end_users_1h": users,
                "record_end_users_1h": level.record,
                "usual_end_users_1h": level.usual,
                "new_sources": foreign,
            },
        )


def _only_strangers(key: KeyView) -> bool:
    """Whether end users were first named when strangers came: the key's own sources name none."""
    hour = key.this_hour
    return 2 * hour.foreign.requests > hour.requests
