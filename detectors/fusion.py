"""From signals to a conclusion: which explanation is best, and how strong is it?

Each signal brings nats of evidence and the causes that it speaks for. Signals about the same
traffic are not independent, so each further one counts for less. The best cause is named; how
strong the case is, is compared with what the calibration asks for.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detectors.contract import Detector, Finding, KeyView, Subject
from detectors.worth import cost
from schemas.calibration import Calibration
from schemas.incident import Cause, Severity

STRANGERS: frozenset[Cause] = frozenset({"leaked", "shared", "exposed"})
"""Others have the key, however quiet it is."""
BULK: frozenset[Subject] = frozenset({"habits", "machines"})
"""What is about how much and when, and about nobody who is not the owner."""
STAKES_FREE_USD = 8.0
"""Dollars an hour beyond the dearest hour so far that can wait for better evidence."""
STAKES_NATS = 0.7
STAKES_MAX = 2.0
"""Each factor e of them counts so much, up to a limit: a launch can be dear, too."""
CENTS_USD = 0.25
"""Nothing that the owner does at known addresses, or that is done in-house, pages before
the key's UTC day has cost so much."""
DISCOUNT = 0.85
"""Factor on each further signal for the same cause, from the strongest down."""
WHATEVER_THE_CAUSE = 0.5
"""How much of what the signals say beyond the best cause counts: that something is wrong is known
before it is known what."""
_RATIO_MAX = 1000.0
"""Of evidence to what a page takes: the risk has been 1 for long."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A detector's finding, capped, and weighed against the key's nature."""

    detector: Detector
    finding: Finding
    weight: float = 1.0

    @property
    def causes(self) -> Mapping[Cause, float]:
        """What it speaks for."""
        return self.finding.causes or self.detector.causes

    @property
    def score(self) -> float:
        """Nats: not above the detector's `score_max`, times the weight (up to 1.08).

        The calibration's factor on the detector comes on top in `conclude`.
        """
        return min(self.finding.score, self.detector.score_max) * self.weight


def weighed(detector: Detector, finding: Finding, key: KeyView) -> Evidence:
    """What a detector says about a key, as evidence."""
    return Evidence(detector, finding, key.weight(detector.about))


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What all signals together say."""

    nats: float
    cause: Cause
    runner_up: Cause | None


def conclude(evidence: Sequence[Evidence], calibration: Calibration) -> Conclusion:
    """The best explanation of some evidence, at least one piece of it."""
    nats, totals = _weigh(evidence, calibration)
    ranked = sorted(totals, key=lambda cause: (-totals[cause], cause))
    if ranked[0] == "budget" and _is_why(ranked[1:2], totals, calibration):
        ranked[:2] = ranked[1], ranked[0]
    return Conclusion(
        nats=nats,
        cause=ranked[0],
        runner_up=ranked[1] if len(ranked) > 1 and totals[ranked[1]] > 0 else None,
    )


def nats_of(evidence: Sequence[Evidence], calibration: Calibration) -> float:
    """How strong the case is, whatever the explanation: as in `conclude`."""
    return _weigh(evidence, calibration)[0]


def _weigh(
    evidence: Sequence[Evidence], calibration: Calibration
) -> tuple[float, dict[Cause, float]]:
    """The nats of some evidence, and those of each cause that it speaks for."""
    scores: list[float] = []
    parts: dict[Cause, list[float]] = {}
    for each in evidence:
        score = each.score * calibration.weights.get(each.detector.name, 1.0)
        scores.append(score)
        for cause, share in each.causes.items():
            parts.setdefault(cause, []).append(score * share)
    totals = {cause: fused(part) for cause, part in parts.items()}
    best = max(totals.values())
    return best + WHATEVER_THE_CAUSE * max(0.0, fused(scores) - best), totals


def fused(parts: list[float]) -> float:
    """What signals come to together, by the nats of each."""
    if len(parts) == 1:
        return parts[0]
    parts.sort(reverse=True)
    return sum(part * DISCOUNT**rank for rank, part in enumerate(parts))


def _is_why(
    second: Sequence[Cause], totals: Mapping[Cause, float], calibration: Calibration
) -> bool:
    """Whether a stranger explains a budget that is gone: that is but what it costs."""
    return any(cause in STRANGERS and totals[cause] >= calibration.ticket_nats for cause in second)


def severity_of(nats: float, calibration: Calibration, eased: float = 0.0) -> Severity:
    """How urgent so much evidence is, where a page takes so many nats less."""
    if nats >= page_takes(calibration, eased):
        return "page"
    return "ticket" if nats >= calibration.ticket_nats else "info"


def page_takes(calibration: Calibration, eased: float) -> float:
    """Nats of evidence that a page takes, where it takes so many less than usual."""
    return max(calibration.ticket_nats, calibration.page_nats - eased)


def eased_by_money(conclusion: Conclusion, evidence: Sequence[Evidence], key: KeyView) -> float:
    """Nats of evidence that a page takes less, with so much money at stake; below 0: more.

    Dollars are no evidence, but waiting for more has its price, and so has waking people for cents.
    """
    if conclusion.cause == "budget":  # a budget has weighed them already
        return 0.0
    if cost(key.today) < CENTS_USD * 1e9 and _is_own(evidence, key):
        return -math.inf
    return stakes(key.excess_usd_per_hour)


def _is_own(evidence: Sequence[Evidence], key: KeyView) -> bool:
    """Whether it is about the owner's own use, or about what is done in-house; facts are facts."""
    subjects = {each.detector.about for each in evidence}
    at_home = key.is_among_its_own or key.is_in_house
    return subjects <= BULK or (at_home and "facts" not in subjects)


def stakes(excess_usd_per_hour: float) -> float:
    """Nats of evidence that a page takes less, for a rate of spend beyond anything so far."""
    if excess_usd_per_hour <= STAKES_FREE_USD:
        return 0.0
    return min(STAKES_MAX, STAKES_NATS * math.log(excess_usd_per_hour / STAKES_FREE_USD))


def risk_of(nats: float, calibration: Calibration) -> float:
    """Evidence as a number from 0 to 1: a half at the threshold of a page.

    A number also where a calibration of an earlier release makes the evidence none, since nobody
    would hear of an incident whose risk cannot be read.
    """
    ratio = min(max(0.0, nats) / calibration.page_nats, _RATIO_MAX)
    return round(ratio**2 / (1.0 + ratio**2), 4)
