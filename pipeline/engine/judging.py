"""Looking at a key: the detectors are asked, their answers weighed, an incident opened or grown.

Pure functions of the key's state and the calibration; every revision is decided by an event of
the key's own, or by a control record about it.
"""

import math
from typing import Final

import msgspec
from xxhash import xxh3_64_hexdigest

from detectors.baselines.history import History
from detectors.baselines.unrest import Unrest
from detectors.contract import Finding, KeyView
from detectors.discovery import detector_named
from detectors.fusion import (
    Evidence,
    at_stake,
    conclude,
    nats_of,
    page_takes,
    risk_of,
    severity_of,
    weighed,
)
from pipeline.engine.calm import answered, is_forgiven, is_news, liveliness, looked_into, unanswered
from pipeline.engine.costs import spent_since, usual_between
from pipeline.engine.rules import Rules
from pipeline.engine.state import KeyState
from pipeline.engine.stored import OpenIncident
from pipeline.engine.witness import Look
from schemas.calibration import Calibration
from schemas.fields import epoch, to_dollars
from schemas.incident import SEVERITIES, Incident, Signal, Status
from schemas.verdict import Verdict

QUIET_SECONDS: Final = {"info": 6 * 3600.0, "ticket": 12 * 3600.0, "page": 24 * 3600.0}
"""An incident whose evidence has not grown for so long ends at the key's next event."""
SIGNAL_SECONDS: Final = 2 * 3600.0
"""A signal that is not repeated for so long no longer counts."""


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
    whole = [*evidence, *_remembered(incident, evidence, view.now)]
    conclusion = conclude(whole, calibration)
    _note_unrest(state.history, view.hour, whole, calibration)
    lively = liveliness(state.calm, conclusion, view.now)
    stake = at_stake(conclusion, view)
    severity = severity_of(conclusion.nats - lively, calibration, stake)
    forgiven = is_forgiven(state.calm, conclusion, whole, _strangers(view), view.now, calibration)
    if rules.witness is not None:
        takes = page_takes(calibration, stake)
        calm = state.calm if forgiven else None
        paged = incident is not None and incident.severity == "page"
        rules.witness(Look(view.key_id, view.now, evidence, conclusion, takes, lively, calm, paged))
    if forgiven or (severity == "info" and incident is None):
        return []
    fresh = {each.detector.name: _signal(each, view.now, calibration) for each in evidence}
    if incident is None:
        incident = state.incident = _open(state, view, fresh)
        told: dict[str, Signal] = {}
        before = ""
    else:
        told = dict(incident.signals)
        before = incident.severity
    if conclusion.nats > incident.nats:
        incident.nats, incident.evidence_at = conclusion.nats, view.now
    if SEVERITIES.index(severity) > SEVERITIES.index(incident.severity):
        incident.severity = severity
    incident.signals.update(fresh)
    incident.causes.update({each.detector.name: dict(each.causes) for each in evidence})
    if incident.severity == "page":
        current = conclude(evidence, calibration).nats
        if current >= calibration.ticket_nats:
            incident.evidence_at = view.now
        if before == "page" and current < calibration.page_nats:
            # What goes on now would wake nobody; what did has been told.
            return []
    incident.take_causes(conclusion, paged=before == "page")
    if not is_news(incident, before, told, fresh):
        return []
    return _emit(state, view.key_id, view, "open", view.now, calibration)


def _strangers(view: KeyView) -> set[str]:
    """The networks of those who use the key and are strange to it."""
    return {each.network for each in view.newcomers if each.is_strange}


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


def _remembered(
    incident: OpenIncident | None, evidence: list[Evidence], now: float
) -> list[Evidence]:
    if incident is None:
        return []
    said = {each.detector.name for each in evidence}
    return [
        Evidence(
            detector,
            Finding(
                signal.score,
                signal.summary,
                epoch(signal.window_start),
                causes=incident.causes.get(name),
            ),
        )
        for name, signal in sorted(incident.signals.items())
        if name not in said
        and epoch(signal.window_end) >= now - SIGNAL_SECONDS
        and (detector := detector_named(name)) is not None
    ]


def _open(state: KeyState, view: KeyView, fresh: dict[str, Signal]) -> OpenIncident:
    state.incidents += 1
    opened_at = min(epoch(signal.window_start) for signal in fresh.values())
    opened_at = max(min(opened_at, view.now), state.history.first_seen)
    known_from, nanos = spent_since(view.windows, opened_at, view.minute)
    opened_at = max(known_from, state.history.first_seen)
    identity = f"{view.key_id}\n{state.incidents}\n{view.now!r}"
    return OpenIncident(
        incident_id=f"inc-{xxh3_64_hexdigest(identity.encode())}",
        revision=0,
        severity="info",
        cause="leaked",
        opened_at=opened_at,
        evidence_at=view.now,
        nats=0.0,
        spend_nanos=nanos,
        emitted_nanos=0,
        baseline_nanos=0.0,
        baseline_at=opened_at,
    )


def _signal(evidence: Evidence, now: float, calibration: Calibration) -> Signal:
    finding, name = evidence.finding, evidence.detector.name
    p_value = finding.p_value
    if p_value is None:
        p_value = calibration.p_value(name, evidence.score)
    return Signal(
        detector=name,
        score=round(evidence.score, 4),
        p_value=round(math.exp(-evidence.score), 6) if p_value is None else p_value,
        window_start=min(finding.since, now),
        window_end=now,
        summary=finding.summary,
        evidence=msgspec.to_builtins(finding.evidence),  # a copy: baselines go on changing
    )


def _emit(  # the parts of a revision
    state: KeyState,
    key_id: str,
    view: KeyView | None,
    status: Status,
    at: float,
    calibration: Calibration,
) -> list[Incident]:
    incident = state.incident
    if incident is None:
        return []
    incident.revision += 1
    incident.emitted_nanos = int(incident.cost_nanos)
    incident.note_told(_strangers(view) if view is not None else ())
    volume = state.history.volume
    zone = volume.zone(state.record)
    incident.baseline_nanos += usual_between(volume, incident.baseline_at, at, zone)
    incident.baseline_at = max(at, incident.baseline_at)
    burn = view.last_15m.nanos * 4 if view is not None else 0
    record = state.record
    ranked = sorted(incident.signals.values(), key=lambda each: (-each.score, each.detector))
    return [
        Incident(
            incident_id=incident.incident_id,
            revision=incident.revision,
            key_id=key_id,
            team=record.team if record else None,
            environment=record.environment if record else None,
            status=status,
            # What has ended wakes nobody.
            severity=incident.severity if status == "open" else "info",
            cause=incident.cause,
            runner_up=incident.runner_up,
            risk=risk_of(incident.nats, calibration),
            opened_at=incident.opened_at,
            detected_at=at,
            spend_usd=to_dollars(incident.spend_nanos),
            baseline_usd=round(incident.baseline_nanos / 1e9, 6),
            burn_usd_per_hour=to_dollars(burn),
            signals=ranked,
            learning=state.history.learning,
        )
    ]


def _end_quiet(
    state: KeyState, key_id: str, now: float, calibration: Calibration
) -> list[Incident]:
    incident = state.incident
    if incident is None or now - incident.evidence_at < QUIET_SECONDS[incident.severity]:
        return []
    emitted = _emit(state, key_id, None, "resolved", now, calibration)
    looked = incident.answered
    state.calm = looked_into(state.calm) if looked else unanswered(state.calm, incident, now)
    _end(state, incident)
    return emitted


def hear(
    state: KeyState, key_id: str, verdict: Verdict, calibration: Calibration
) -> list[Incident]:
    """Take in what a person said; the revision that follows, if any."""
    incident = state.incident
    if incident is None or incident.incident_id != verdict.incident_id:
        return []
    at, calibration = epoch(verdict.at), calibration.of(state.record)
    if verdict.verdict in {"leak", "acknowledge"}:
        incident.answered = True
        if verdict.verdict == "leak":
            for newcomer in state.history.newcomers.values():
                newcomer.hostile = True
        return []
    emitted = _emit(state, key_id, None, "suppressed", at, calibration)
    state.calm = answered(incident, verdict)
    if verdict.verdict != "snooze":
        _welcome(state, verdict)
    _end(state, incident)
    return emitted


def _welcome(state: KeyState, verdict: Verdict) -> None:
    """Take in those with whom a person found nothing wrong, or for so long as the person said."""
    if verdict.until is None:
        state.history.accept_newcomers(int(state.clock // 3600))
        return
    for newcomer in state.history.newcomers.values():
        newcomer.guest_until = max(newcomer.guest_until, int(epoch(verdict.until)))


def _end(state: KeyState, incident: OpenIncident) -> None:
    state.incident = None
    if incident.severity == "page":
        # People were told: from now on their word is what counts.
        state.history.unrest, state.history.visits = Unrest(), Unrest()
