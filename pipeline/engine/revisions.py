"""What is told of an incident: its signals, and its revisions."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec
from xxhash import xxh3_64_hexdigest

from detectors.contract import Detector, Finding, KeyView
from detectors.fusion import Evidence, risk_of, weighed
from pipeline.engine.costs import spent_since, usual_between
from pipeline.engine.state import KeyState
from pipeline.engine.stored import OpenIncident
from schemas.calibration import Calibration
from schemas.fields import epoch, to_dollars
from schemas.incident import UNPRICED, Incident, Signal, Status

SIGNAL_SECONDS: Final = 2 * 3600.0
"""A signal that is not repeated for so long no longer counts."""
_RATE_MINUTES: Final = 15
"""What goes on now is told by so many minutes."""


def open_incident(state: KeyState, view: KeyView, evidence: list[Evidence]) -> OpenIncident:
    """An incident that some evidence opens, before anything of it is told."""
    state.incidents += 1
    opened_at, nanos = spent_since(view, _first_of(evidence, view))
    opened_at = max(opened_at, state.history.first_seen)
    minutes = view.minute - int(opened_at // 60) + 1
    return OpenIncident(
        incident_id=_id(state, view),
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
        unpriced=view.windows.recent(view.minute, minutes).unpriced,  # of the minutes still known
    )


def _id(state: KeyState, view: KeyView) -> str:
    """An id by key and moment alone, so that a fold that begins later gives the same.

    It counts on where an incident that was opened at the same moment has ended by now.
    """
    ended = state.ended.incident_id if state.ended is not None else ""
    ids = [_numbered(view, number) for number in range(1, state.incidents + 1)]
    return _numbered(view, ids.index(ended) + 2) if ended in ids else ids[0]


def _numbered(view: KeyView, number: int) -> str:
    identity = f"{view.key_id}\n{number}\n{view.now!r}"
    return f"inc-{xxh3_64_hexdigest(identity.encode())}"


def _first_of(evidence: list[Evidence], view: KeyView) -> float:
    """When the first request was made that any of the evidence is about."""
    told = [each.detector.began(view, each.finding) for each in evidence]
    began = min([at for at in told if at is not None], default=view.first_use_today)
    return min(began, view.now)


def refresh(
    incident: OpenIncident,
    view: KeyView,
    fresh: Iterable[Evidence],
    detectors: Mapping[str, Detector],
    calibration: Calibration,
) -> None:
    """Let what was said earlier be said of now: not every detector is asked at every look."""
    said = {each.detector.name for each in fresh}
    for name in incident.signals.keys() - said:
        detector = detectors.get(name)
        if detector is not None and (finding := detector.judge(view)) is not None:
            note(incident, weighed(detector, finding, view), view.now, calibration)


def note(incident: OpenIncident, evidence: Evidence, now: float, calibration: Calibration) -> None:
    """Take evidence into an incident, in the place of what its detector said before."""
    name = evidence.detector.name
    signal = incident.signals[name] = _signal(evidence, now, calibration)
    if incident.unpriced:
        signal.evidence[UNPRICED] = incident.unpriced
    incident.causes[name] = dict(evidence.causes)


def _signal(evidence: Evidence, now: float, calibration: Calibration) -> Signal:
    finding, name = evidence.finding, evidence.detector.name
    score, p_value = round(evidence.score, 4), finding.p_value
    if p_value is None:
        p_value = calibration.p_value(name, score)  # as rare as what is told
    return Signal(
        detector=name,
        score=score,
        p_value=round(math.exp(-score), 6) if p_value is None else p_value,
        window_start=min(finding.since, now),
        window_end=now,
        summary=finding.summary,
        evidence=msgspec.to_builtins(finding.evidence),  # a copy: baselines go on changing
    )


def emit(
    state: KeyState,
    key_id: str,
    status: Status,
    at: float,
    calibration: Calibration,
    strangers: Collection[str] = (),
) -> list[Incident]:
    """The next revision of the key's incident, if it has one.

    Args:
        state: of the key; nothing is pending.
        key_id: the key.
        status: of the incident from now on.
        at: event time, in Unix seconds.
        calibration: of the key.
        strangers: the networks of those who are strange to the key now.
    """
    incident = state.incident
    if incident is None:
        return []
    incident.revision += 1
    incident.emitted_nanos = int(incident.cost_nanos)
    incident.note_told(strangers)
    volume = state.history.volume
    zone = volume.zone(state.record)
    incident.baseline_nanos += usual_between(volume, incident.baseline_at, at, zone)
    incident.baseline_at = max(at, incident.baseline_at)
    # Who ends an incident does not end the use of the key.
    lately = state.windows.recent(int(max(at, state.clock) // 60), _RATE_MINUTES)
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
            burn_usd_per_hour=to_dollars(lately.nanos * 60 // _RATE_MINUTES),
            signals=ranked,
            learning=state.history.learning,
        )
    ]


def remembered(
    incident: OpenIncident | None,
    evidence: list[Evidence],
    detectors: Mapping[str, Detector],
    now: float,
) -> list[Evidence]:
    """What was said in earlier looks, and has not been said again in this one.

    What a detector said that is no longer there counts no more.
    """
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
        and (detector := detectors.get(name)) is not None
    ]


def strangers_of(view: KeyView) -> set[str]:
    """The networks of those who use the key and are strange to it."""
    return {each.network for each in view.newcomers if each.is_strange}
