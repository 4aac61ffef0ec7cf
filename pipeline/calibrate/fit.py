"""The thresholds that a page budget asks for, and the tails that p-values come from. Pure."""

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec

from pipeline.calibrate.cohorts import cohorts
from pipeline.calibrate.tally import Tally
from schemas.calibration import Calibration, Tail
from schemas.codec import encode

STEP_NATS: Final = 0.1
MOVE_SHARE_MAX: Final = 0.25
"""A threshold moves no further than this share from the shipped one, however often a history is
calibrated anew: a thief who makes noise on many keys, and leaks in the history that nobody
labelled, can make leakline a little deafer and no more; a quiet history does not make it shrill."""
PAGES_MIN: Final = 1.0
"""Pages that the budget must allow in the history that is fitted: in less, a budget that is
kept and one that is exceeded tenfold look the same."""
SHARES: Final = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00003, 0.00001)
_DIGITS: Final = 4


class NotEnoughHistoryError(Exception):
    """A history from which nothing can be said. The text is for people."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What was found."""

    page_nats: float
    ticket_nats: float
    cohorts: dict[str, float]
    """By environment: the `page_nats` of its keys."""
    holds: bool
    """Whether the budget holds on the keys that were fitted, within the bound on a move."""


def check_history(key_weeks: float, budget: float) -> None:
    """Whether there is enough to fit.

    Raises:
        NotEnoughHistoryError: there is not.
    """
    wanted = 1000.0 * PAGES_MIN / budget
    if key_weeks < wanted:
        raise NotEnoughHistoryError(
            f"the keys to fit were watched for {key_weeks:,.0f} key-weeks; a budget of {budget:g} "
            f"pages per 1,000 key-weeks needs {wanted:,.0f}, and as many again to check it on"
        )


def fit(tally: Tally, keys: Collection[str], budget: float, shipped: Calibration) -> Thresholds:
    """The lowest thresholds at which some keys page no more often than the budget allows.

    Each cohort's own is found by the same rule, and drawn towards the fleet's as far as its history
    is short. The fleet's is the lowest at which all keys together keep the budget, each at the
    threshold of its cohort. No threshold leaves the bound on a move, whoever makes noise where.

    Args:
        tally: what the history showed.
        keys: whose evidence counts.
        budget: pages per 1,000 key-weeks.
        shipped: where the bound on a move is measured from, and how far tickets are from pages.
    """
    lowest = partial(_lowest, budget=budget, shipped=shipped)
    groups = cohorts(tally, keys)
    own = [lowest(partial(tally.pages_at, keys=each.keys), each.key_weeks) for each in groups]
    others = set(keys).difference(*(each.keys for each in groups))

    def drawn(fleet_nats: float) -> list[float]:
        return [
            round(group.shrunk(own_nats, fleet_nats, budget), _DIGITS)
            for group, own_nats in zip(groups, own, strict=True)
        ]

    def pages(fleet_nats: float) -> int:
        of_cohorts = zip(drawn(fleet_nats), groups, strict=True)
        return tally.pages_at(fleet_nats, others) + sum(
            tally.pages_at(nats, group.keys) for nats, group in of_cohorts
        )

    page_nats = lowest(pages, key_weeks := tally.key_weeks(keys))
    return Thresholds(
        page_nats=page_nats,
        ticket_nats=round(page_nats * shipped.ticket_nats / shipped.page_nats, _DIGITS),
        cohorts={
            group.environment: nats for group, nats in zip(groups, drawn(page_nats), strict=True)
        },
        holds=pages(page_nats) <= _allowed(budget, key_weeks),
    )


def _lowest(
    pages: Callable[[float], int], key_weeks: float, *, budget: float, shipped: Calibration
) -> float:
    """The lowest threshold within the bound from which on the budget holds; else the highest."""
    low, high = ((1 + sign * MOVE_SHARE_MAX) * shipped.page_nats for sign in (-1, 1))
    allowed, nats = _allowed(budget, key_weeks), high
    while nats - STEP_NATS >= low and pages(nats - STEP_NATS) <= allowed:
        nats -= STEP_NATS
    return round(nats, _DIGITS)


def _allowed(budget: float, key_weeks: float) -> float:
    """Pages that a budget allows."""
    return budget * key_weeks / 1000.0


def tails(tally: Tally, keys: Collection[str]) -> dict[str, Tail]:
    """How often honest keys show how much, by detector."""
    key_days = tally.key_days(keys)
    wanted = set(keys)
    return {
        name: found
        for name, scores in sorted(tally.scores.items())
        if (found := _tail((s for (key, _), s in scores.items() if key in wanted), key_days))
    }


def _tail(scores: Iterable[float], key_days: int) -> Tail | None:
    """A table of a few lines; its last line is the highest score that was ever seen."""
    ranked = sorted(scores, reverse=True)
    if not ranked or not key_days:
        return None
    counts = [1, *(round(share * key_days) for share in reversed(SHARES)), len(ranked)]
    points: dict[float, float] = {}
    for count in sorted(set(counts)):
        if 1 <= count <= len(ranked):
            # rounded down, so that the share is never less than was counted
            score = int(ranked[count - 1] * 10**_DIGITS) / 10**_DIGITS
            points[score] = min(1.0, count / key_days)
    rising = sorted(points.items())
    return Tail(scores=[score for score, _ in rising], shares=[share for _, share in rising])


def versioned(calibration: Calibration, at: float) -> Calibration:
    """A calibration under a version that is its date and its content, the same on every run."""
    day = datetime.fromtimestamp(at, UTC)
    body = msgspec.structs.replace(calibration, version="0", created_at=day)
    digest = hashlib.sha256(encode(body)).hexdigest()[:12]
    return msgspec.structs.replace(body, version=f"{day:%Y-%m-%d}-{digest}")
