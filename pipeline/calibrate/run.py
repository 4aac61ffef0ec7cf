"""A calibration: fitted on some honest keys of a history, checked on the others."""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from xxhash import xxh3_64_intdigest

from pipeline.calibrate.cohorts import Cohort, cohorts
from pipeline.calibrate.fit import Thresholds, check_history, fit, tails, versioned
from pipeline.calibrate.tally import Tally
from pipeline.engine import Rules
from pipeline.message import Message
from pipeline.replay.run import replay
from schemas.calibration import Calibration

CURVE_STEPS = (-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0)
"""Nats from the threshold at which the rates are told."""
History = Callable[[], Iterable[Message]]
"""The log of a history; asked for twice."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Pages of some keys."""

    pages: int
    key_weeks: float

    @property
    def per_1000_key_weeks(self) -> float:
        """The rate that a budget is about."""
        return 1000.0 * self.pages / self.key_weeks if self.key_weeks else 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """A line of the curve: how often keys show at least so much evidence."""

    nats: float
    fitted: Rate
    held_out: Rate


@dataclass(frozen=True, slots=True)
class CheckedCohort:
    """A cohort as it was fitted, and on others of its keys."""

    fitted: Cohort
    before: Rate
    """What its held-out keys paged under the rules as they were, and with the calibration."""
    after: Rate


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, and what is known about it."""

    calibration: Calibration
    thresholds: Thresholds
    budget: float
    keys: tuple[int, int]
    """Keys that were fitted, and that it was checked on."""
    left_out: int
    """Keys that are known to be in wrong hands."""
    curve: list[Point]
    before: Rate
    """What the held-out keys paged under the rules as they were, and with the calibration."""
    after: Rate
    cohorts: list[CheckedCohort]

    @property
    def surprise(self) -> float:
        """The chance of at least so many pages of the held-out keys if the budget holds."""
        mean = self.budget * self.after.key_weeks / 1000.0
        fewer = (
            math.exp(n * math.log(mean) - mean - math.lgamma(n + 1))
            for n in range(self.after.pages)
        )
        return max(0.0, 1.0 - sum(fewer))


def calibrate(
    history: History, rules: Rules, budget: float, dishonest: Collection[str] = ()
) -> Calibrated:
    """Replay a history and find the thresholds that keep a page budget.

    Half of the keys, by a hash of their ids, set the thresholds; the other half is then replayed
    with them. The same history gives the same calibration.

    Args:
        history: the log.
        rules: under which it is replayed; their calibration is where the bounds start from.
        budget: pages per 1,000 key-weeks.
        dishonest: keys whose traffic is no honest owner's.

    Raises:
        NotEnoughHistoryError: the budget cannot be told from a multiple of it.
    """
    tally = Tally()
    replay(history(), replace(rules, witness=tally.hear), [tally])
    honest = sorted(tally.watched.keys() - set(dishonest))
    fitted = [key for key in honest if not _is_held_out(key)]
    held_out = [key for key in honest if _is_held_out(key)]
    for keys in (fitted, held_out):
        check_history(tally.key_weeks(keys), budget)
    shipped = rules.calibration
    thresholds = fit(tally, fitted, budget, shipped)
    calibration = Calibration(
        version="0",
        created_at=0.0,
        page_nats=thresholds.page_nats,
        ticket_nats=thresholds.ticket_nats,
        cohorts=thresholds.cohorts,
        weights=shipped.weights,
        tails=tails(tally, honest),
    )
    calibration = versioned(calibration, max(each.last for each in tally.watched.values()))
    checked = Tally()
    replay(history(), replace(rules, calibration=calibration), [checked])

    before, after = _before_and_after(tally, checked, held_out)
    return Calibrated(
        calibration=calibration,
        thresholds=thresholds,
        budget=budget,
        keys=(len(fitted), len(held_out)),
        left_out=len(tally.watched) - len(honest),
        curve=_curve(tally, fitted, held_out, thresholds.page_nats),
        before=before,
        after=after,
        cohorts=[_checked(each, tally, checked, held_out) for each in cohorts(tally, fitted)],
    )


def _checked(cohort: Cohort, tally: Tally, checked: Tally, held_out: list[str]) -> CheckedCohort:
    others = [key for key in held_out if tally.environments.get(key) == cohort.environment]
    return CheckedCohort(cohort, *_before_and_after(tally, checked, others))


def _before_and_after(tally: Tally, checked: Tally, keys: list[str]) -> tuple[Rate, Rate]:
    weeks = tally.key_weeks(keys)
    return Rate(tally.pages(keys), weeks), Rate(checked.pages(keys), weeks)


def _curve(tally: Tally, fitted: list[str], held_out: list[str], page_nats: float) -> list[Point]:
    weeks = tally.key_weeks(fitted), tally.key_weeks(held_out)
    return [
        Point(
            nats,
            Rate(tally.pages_at(nats, fitted), weeks[0]),
            Rate(tally.pages_at(nats, held_out), weeks[1]),
        )
        for nats in sorted({page_nats, *(page_nats + step for step in CURVE_STEPS)})
    ]


def _is_held_out(key_id: str) -> bool:
    return bool(xxh3_64_intdigest(key_id.encode()) & 1)
