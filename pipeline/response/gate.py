"""Whether an action may be sent at all: a pure function that gives its reason."""

from dataclasses import dataclass, field

from pipeline.response.decide import History, braked
from pipeline.response.gateway import Adapter
from pipeline.response.ledger import Entry
from pipeline.response.policy import Policy
from schemas.action import Action, Outcome
from schemas.fields import epoch
from schemas.key_record import KeyRecord
from schemas.verdict import Verdict

AGE_SECONDS_MAX = 3600.0
"""An action that could not be sent within this time is no longer sent: a person decides anew."""


@dataclass(frozen=True, slots=True)
class Stop:
    """An action ends here, with this outcome."""

    status: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about an action's key, its gateway and what people said."""

    adapter: Adapter | None = None
    key_record: KeyRecord | None = None
    verdict: Verdict | None = None
    """The latest on the incident."""
    policy: Policy | None = None
    history: History = field(default_factory=History)


def gate(entry: Entry, known: Circumstances, now: float) -> Stop | None:
    """Why an action must not be sent, or None.

    Once it was sent, its outcome has to be found out: then only its age stops it, and nothing
    once the gateway has accepted: a few probes are all that is left.
    """
    action = entry.action
    if entry.delivered and known.adapter is not None:
        return None
    due = epoch(action.not_before or action.requested_at)
    if now > due + AGE_SECONDS_MAX:
        if entry.attempts:
            return Stop("failed", f"no answer within {AGE_SECONDS_MAX / 60:.0f} minutes")
        return Stop("expired", f"not sent within {AGE_SECONDS_MAX / 60:.0f} minutes")
    if entry.attempts:
        return None
    stop = None if action.by_person else _machine(action, known, now)
    return stop or _gateway(action, known)


def _machine(action: Action, known: Circumstances, now: float) -> Stop | None:
    """What stops an action that no person asked for."""
    verdict = known.verdict
    if verdict is not None and _holds(verdict, action):
        return Stop("cancelled", f"{verdict.by} said {verdict.verdict}")
    if known.key_record is not None and known.key_record.protected:
        return Stop("refused", "the key is protected: only a person may revoke it")
    if known.policy is None:
        return Stop("refused", "there is no policy: nothing is done by machine")
    asked_by, _, name = action.requested_by.partition(":")
    rule = known.policy.rule(name)
    if asked_by == "policy" and (rule is None or rule.then != "revoke"):
        return Stop("refused", f"the policy has no rule {name} by now that says revoke")
    reason = braked(known.policy.brakes, known.history, now, action.action_id)
    return None if reason is None else Stop("refused", reason)


def _holds(verdict: Verdict, action: Action) -> bool:
    """Whether a machine's action is against what a person said, before it was planned or after.

    Who planned it may not have heard yet. Only of a snooze it matters when: it ends.
    """
    if verdict.verdict == "snooze":
        return verdict.until is None or epoch(verdict.until) > epoch(action.requested_at)
    return verdict.verdict in {"benign", "expected"}


def _gateway(action: Action, known: Circumstances) -> Stop | None:
    """What the gateway cannot do, and what a dry run does not send.

    A revocation that was announced as a real one does not end as a dry run: the key still works.
    """
    if known.adapter is None:
        name = action.gateway or "none"
        return Stop("refused", f"no gateway is configured for the key (gateway: {name})")
    objection = known.adapter.objection(action)
    if objection is not None:
        return Stop("refused", objection)
    if action.dry_run:
        return Stop("done", f"dry run: {action.kind} was not sent")
    if not action.by_person and known.policy is not None and known.policy.brakes.dry_run:
        return Stop("refused", f"the policy is a dry run by now: {action.kind} was not sent")
    return None
