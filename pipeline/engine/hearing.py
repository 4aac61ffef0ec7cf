"""What a person says about an incident, while it is open and after it has ended."""

from collections.abc import Collection

from detectors.baselines.newcomers import Newcomer
from pipeline.engine.calm import answered, found_right
from pipeline.engine.judging import end
from pipeline.engine.revisions import emit
from pipeline.engine.state import KeyState
from schemas.calibration import Calibration
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.verdict import Verdict


def hear(
    state: KeyState, key_id: str, verdict: Verdict, calibration: Calibration
) -> list[Incident]:
    """Take in what a person said; the revision that follows, if any.

    Args:
        state: of the key; nothing is pending.
        key_id: the key.
        verdict: what was said, and of which incident.
        calibration: as it is for all keys.
    """
    incident, at = state.incident, epoch(verdict.at)
    if incident is None or incident.incident_id != verdict.incident_id:
        _hear_late(state, verdict, at)
        return []
    state.said_at = max(state.said_at, int(at))
    newcomers = list(state.history.newcomers.values())
    if verdict.verdict in {"leak", "acknowledge"}:
        incident.answered = True
        if verdict.verdict == "leak":
            _bar(newcomers)
        return []
    emitted = emit(state, key_id, "suppressed", at, calibration.of(state.record))
    state.calm = answered(incident, verdict)
    if verdict.verdict != "snooze":
        _welcome(state, verdict, newcomers)
    end(state, incident)
    return emitted


def _hear_late(state: KeyState, verdict: Verdict, at: float) -> None:
    """Take in what the last incident was that ended, unless people have said more since.

    It is about those whom they were told of: others may have come.
    """
    ended = state.ended
    if ended is None or ended.incident_id != verdict.incident_id or int(at) < state.said_at:
        return
    newcomers = state.history.newcomers.values()
    told = [each for each in newcomers if each.network in ended.networks]
    if verdict.verdict == "leak":
        state.calm = None
        _bar(told)
    elif verdict.verdict in {"benign", "expected"}:
        state.calm = found_right(verdict, ended.nats, ended.networks)
        _welcome(state, verdict, told)
    else:
        return  # there is nothing left to silence, or to look into
    state.said_at = int(at)


def _bar(newcomers: Collection[Newcomer]) -> None:
    for newcomer in newcomers:
        newcomer.hostile = True


def _welcome(state: KeyState, verdict: Verdict, newcomers: Collection[Newcomer]) -> None:
    """Take in those with whom a person found nothing wrong, or for so long as the person said."""
    if verdict.until is None:
        state.history.accept(newcomers, int(state.clock // 3600))
        return
    for newcomer in newcomers:
        newcomer.guest_until = max(newcomer.guest_until, int(epoch(verdict.until)))
