"""Looking at a key: the detectors are asked, their answers weighed, an incident opened or grown.

Pure functions of the key's state and the calibration; every revision is decided by an event of
the key's own, or by a control record about it.
"""

from typing import Final

from detectors.baselines.history import History
from detectors.baselines.unrest import Unrest
from detectors.contract import KeyView
from detectors.fusion import (
    Conclusion,
    Evidence,
    conclude,
    eased_by_money,
    nats_of,
    page_takes,
    severity_of,
    weighed,
)
from pipeline.engine.calm import is_forgiven, is_news, liveliness, looked_into, unanswered
from pipeline.engine.revisions import (
    emit,
    note,
    open_incident,
    refresh,
    remembered,
    strangers_of,
)
from pipeline.engine.rules import Rules
from pipeline.engine.state import KeyState
from pipeline.engine.stored import Ended, OpenIncident
from pipeline.engine.witness import Look
from schemas.calibration import Calibration
from schemas.incident import SEVERITIES, Incident, Severity

QUIET_SECONDS: Final = {"info": 6 * 3600.0, "ticket": 12 * 3600.0, "page": 24 * 3600.0}
"""An incident whose evidence has not grown for so long ends at the key's next event."""


def look(
    state: KeyState,
    key_id: str,
    trigger: int,
    now: float,
    rules: Rules,
    calibration: Calibration,
) -> list[Incident]:
    """Ask the detectors about a key and draw the conclusion; the revisions to emit."""
    calibration = calibration.of(state.record)
    ended = _end_quiet(state, key_id, now, calibration)
    view = KeyView(key_id, now, state.history, state.windows, state.record)
    evidence = [
        weighed(detector, finding, view)
        for detector in rules.detectors
        if detector.triggers & trigger and (finding := detector.judge(view)) is not None
    ]
    if not evidence:
        return ended
    return ended + _weigh(state, view, evidence, rules, calibration)


def _weigh(
    state: KeyState,
    view: KeyView,
    evidence: list[Evidence],
    rules: Rules,
    calibration: Calibration,
) -> list[Incident]:
    incident = state.incident
    whole = [*evidence, *remembered(incident, evidence, rules.by_name, view.now)]
    conclusion = conclude(whole, calibration)
    _note_unrest(state.history, view.hour, whole, calibration)
    lively = liveliness(state.calm, conclusion, view.now)
    eased = eased_by_money(conclusion, whole, view)
    severity = severity_of(conclusion.nats - lively, calibration, eased)
    strangers = strangers_of(view)
    forgiven = is_forgiven(state.calm, conclusion, whole, strangers, view.now, calibration)
    if rules.witness is not None:
        takes = page_takes(calibration, eased)
        calm = state.calm if forgiven else None
        paged = incident is not None and incident.severity == "page"
        usually = calibration.page_nats
        rules.witness(
            Look(view.key_id, view.now, evidence, conclusion, takes, usually, lively, calm, paged)
        )
    if forgiven or (severity == "info" and incident is None):
        return []
    incident = state.incident = incident or open_incident(state, view, evidence)
    if not _grow(incident, conclusion, severity, evidence, view.now, calibration):
        return []
    refresh(incident, view, evidence, rules.by_name, calibration)
    return emit(state, view.key_id, "open", view.now, calibration, strangers)


def _grow(
    incident: OpenIncident,
    conclusion: Conclusion,
    severity: Severity,
    evidence: list[Evidence],
    now: float,
    calibration: Calibration,
) -> bool:
    """Let an incident grow by the evidence of one look; whether people are to hear of it."""
    told = set(incident.signals)
    before = incident.severity if told else ""
    if conclusion.nats > incident.nats:
        incident.nats, incident.evidence_at = conclusion.nats, now
    if SEVERITIES.index(severity) > SEVERITIES.index(incident.severity):
        incident.severity = severity
    for each in evidence:
        note(incident, each, now, calibration)
    if incident.severity == "page":
        current = conclude(evidence, calibration).nats
        if current >= calibration.ticket_nats:
            incident.evidence_at = now
        if before == "page" and current < calibration.page_nats:
            # What goes on now would wake nobody; what did has been told.
            return False
    incident.take_causes(conclusion, paged=before == "page")
    return is_news(incident, before, told, evidence)


def _note_unrest(
    history: History, hour: int, evidence: list[Evidence], calibration: Calibration
) -> None:
    """Note what the key shows by nature, unless somebody has stolen it."""
    for unrest, about in (
        (history.unrest, ("habits", "machines")),
        (history.visits, ("strangers",)),
    ):
        part = [each for each in evidence if each.detector.about in about]
        if part:
            unrest.note(hour, nats_of(part, calibration))


def _end_quiet(
    state: KeyState, key_id: str, now: float, calibration: Calibration
) -> list[Incident]:
    incident = state.incident
    if incident is None or now - incident.evidence_at < QUIET_SECONDS[incident.severity]:
        return []
    emitted = emit(state, key_id, "resolved", now, calibration)
    looked = incident.answered
    state.calm = looked_into(state.calm) if looked else unanswered(state.calm, incident, now)
    end(state, incident)
    return emitted


def end(state: KeyState, incident: OpenIncident) -> None:
    """Let an incident be over; people may still say what it was."""
    state.ended = Ended(incident.incident_id, incident.nats, incident.told_networks)
    state.incident = None
    if incident.severity == "page":
        # People were told: from now on their word is what counts.
        state.history.unrest, state.history.visits = Unrest(), Unrest()
