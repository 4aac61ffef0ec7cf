"""When people hear of an incident again: while it is open, and of its like after it ended."""

from collections.abc import Collection, Iterable
from typing import Final

from detectors.fusion import STRANGERS, Conclusion, Evidence, nats_of
from pipeline.engine.stored import Calm, OpenIncident
from schemas.calibration import Calibration
from schemas.fields import epoch
from schemas.incident import Cause
from schemas.verdict import Verdict

CALM_SECONDS: Final = 7 * 86400.0
"""How long a verdict of benign holds when it names no end."""
UNANSWERED_CALM_SECONDS: Final = 3 * 86400.0
"""How long the same does not page again after an incident that nobody answered; twice as long
after each further page …"""
UNANSWERED_PAGES_MAX: Final = 4
UNANSWERED_MEMORY_SECONDS: Final = 14 * 86400.0
"""… until the key has been quiet for so long."""
CALM_MARGIN_NATS: Final = 4.0
"""How much stronger than what was forgiven new evidence must be."""
LIVELY_NATS: Final = 2.5
"""How much more a page or a ticket takes on a key whose last page nobody answered, until that is
forgotten: who paged in vain once tends to do so again."""
_NOISY_PAGES: Final = 2
"""A key that paged so often without an answer needs more than another name for it …"""
_FACTS: Final = frozenset[Cause]({"off_gateway", "revoked_use"})
"""… unless that is a bill, or the word of the registry: they are no matter of opinion."""
_CROWD: Final = 3
"""Who snoozes strangers from so many networks expects others."""
REVISIONS_MAX: Final = 100
"""Revisions of one incident; later changes are not emitted."""
_WORTH_TELLING_NATS: Final = 1.5
_WORTH_TELLING_AGAIN_NATS: Final = 4.0
"""A further signal that is news, before a page and after it."""
_WORTH_TELLING_FACTOR: Final = 4
_WORTH_TELLING_NANOS: Final = 5_000_000_000
"""An incident is told again when it has cost so many times what it had, and so much beyond."""


def is_forgiven(
    calm: Calm | None,
    conclusion: Conclusion,
    evidence: Collection[Evidence],
    strangers: Collection[str],
    now: float,
    calibration: Calibration,
) -> bool:
    """Whether it is no more than what people were told before, or said to be right.

    Args:
        calm: what ended before.
        conclusion: what all evidence says.
        evidence: all of it.
        strangers: the networks of those who use the key and are strange to it.
        now: Unix seconds.
        calibration: of the key.
    """
    if calm is None:
        return False
    if _are_known(calm, conclusion, strangers, now) and not _are_deeds(evidence, calibration):
        # One is the surer of strangers the longer they stay: no reason to tell of them again.
        return True
    if now >= calm.until:
        return False
    if calm.snoozed:
        return not _is_another_matter(calm, conclusion, strangers)
    return _is_no_more(calm, conclusion, strangers, calibration)


def liveliness(calm: Calm | None, conclusion: Conclusion, now: float) -> float:
    """Nats that it takes more than usual to tell people, since the key paged in vain lately."""
    if conclusion.cause in _FACTS or not _pages_in_a_row(calm, now):
        return 0.0
    return LIVELY_NATS


def is_other(cause: Cause, told: Cause | None) -> bool:
    """Whether a cause asks for something else than the one that people were told."""
    return cause != told and not {cause, told} <= STRANGERS


def is_news(
    incident: OpenIncident,
    before: str,
    told: Collection[str],
    fresh: Iterable[Evidence],
) -> bool:
    """Whether a change of an open incident is worth a revision.

    Args:
        incident: as it is now.
        before: the severity that it had; empty: it has opened.
        told: the detectors that had spoken.
        fresh: what this look has shown.
    """
    if incident.revision >= REVISIONS_MAX:
        return False
    if before != incident.severity or _is_untold(incident):
        return True
    least = _WORTH_TELLING_AGAIN_NATS if before == "page" else _WORTH_TELLING_NATS
    if any(each.detector.name not in told and each.score >= least for each in fresh):
        return True
    return (
        incident.cost_nanos >= _WORTH_TELLING_FACTOR * incident.emitted_nanos + _WORTH_TELLING_NANOS
    )


def answered(incident: OpenIncident, verdict: Verdict) -> Calm:
    """What follows from a person's word: an incident is snoozed, or was none."""
    calm = found_right(verdict, incident.nats, incident.told_networks)
    if verdict.verdict == "snooze":
        calm.snoozed, calm.cause = True, incident.told_cause
    return calm


def found_right(verdict: Verdict, nats: float, networks: list[str]) -> Calm:
    """What follows when a person found nothing wrong.

    Args:
        verdict: what was said.
        nats: the evidence of the incident.
        networks: those of the strangers that people were told of.
    """
    until = epoch(verdict.until) if verdict.until is not None else epoch(verdict.at) + CALM_SECONDS
    return Calm(until, nats, networks=networks)


def looked_into(calm: Calm | None) -> Calm | None:
    """What follows when an incident ended by itself that a person knows of: it may come again.

    What a person found nothing wrong with stays so.
    """
    return calm if calm is not None and _has_spoken(calm) else None


def unanswered(calm: Calm | None, incident: OpenIncident, now: float) -> Calm:
    """What follows when an incident ended by itself, and nobody had answered.

    Args:
        calm: what ended before.
        incident: what has ended now.
        now: Unix seconds.
    """
    paged = incident.severity == "page"
    pages = min(UNANSWERED_PAGES_MAX, _pages_in_a_row(calm, now) + paged)
    until = now + UNANSWERED_CALM_SECONDS * 2 ** (max(0, pages - 1) if paged else 0)
    new = Calm(
        until, incident.nats, cause=incident.cause, pages=pages, networks=incident.told_networks
    )
    if calm is None or now >= calm.until:
        return new
    if calm.snoozed:
        return calm
    spoken = _has_spoken(calm)
    if spoken or not (paged or is_other(incident.cause, calm.cause)):
        # A ticket does not end a silence, and what ended by itself does not end a person's word.
        new.until, new.nats = max(until, calm.until), max(incident.nats, calm.nats)
    if spoken:
        new.cause = None
    return new


def known_until(calm: Calm) -> float | None:
    """Until when strangers whom people were told of wait: Unix seconds; None: there are none."""
    told = bool(calm.pages and calm.networks) and calm.cause in STRANGERS
    return _forgotten_at(calm) if told else None


def _forgotten_at(calm: Calm) -> float:
    return calm.until + UNANSWERED_MEMORY_SECONDS


def _pages_in_a_row(calm: Calm | None, now: float) -> int:
    """Pages that nobody answered until now."""
    return calm.pages if calm is not None and now < _forgotten_at(calm) else 0


def _are_deeds(evidence: Iterable[Evidence], calibration: Calibration) -> bool:
    """Whether what is done with the key is worth a ticket, whoever does it."""
    deeds = [each for each in evidence if each.detector.about != "strangers"]
    return bool(deeds) and nats_of(deeds, calibration) >= calibration.ticket_nats


def _has_spoken(calm: Calm) -> bool:
    return calm.cause is None or calm.snoozed


def _are_known(calm: Calm, conclusion: Conclusion, strangers: Collection[str], now: float) -> bool:
    """Whether it is about strangers, and people were told of all of them, and let them be."""
    if conclusion.cause not in STRANGERS or not _were_told(calm, strangers):
        return False
    if _has_spoken(calm):
        return now < calm.until
    return calm.cause in STRANGERS and bool(_pages_in_a_row(calm, now))


def _is_another_matter(calm: Calm, conclusion: Conclusion, strangers: Collection[str]) -> bool:
    """Whether it is not what was snoozed, which may grow: people know of it."""
    if is_other(conclusion.cause, calm.cause):
        return True
    crowd = len(calm.networks) >= _CROWD
    return conclusion.cause in STRANGERS and not crowd and not _were_told(calm, strangers)


def _is_no_more(
    calm: Calm, conclusion: Conclusion, strangers: Collection[str], calibration: Calibration
) -> bool:
    news = calm.cause is not None and is_other(conclusion.cause, calm.cause)
    if news and conclusion.cause in _FACTS:
        return False
    if calm.cause is not None and calm.pages < _NOISY_PAGES:
        # Nobody has answered: another cause is news, and so is the first page.
        if news:
            return False
        if calm.nats < calibration.page_nats <= conclusion.nats:
            return False
        if conclusion.cause in STRANGERS and not _were_told(calm, strangers):
            return False
    return conclusion.nats < calm.nats + CALM_MARGIN_NATS


def _were_told(calm: Calm, strangers: Collection[str]) -> bool:
    return set(strangers) <= set(calm.networks)


def _is_untold(incident: OpenIncident) -> bool:
    """Whether people were told of no such cause yet: two that are as likely take turns."""
    told = (incident.told_cause, *incident.told_before)
    return all(is_other(incident.cause, each) for each in told)
