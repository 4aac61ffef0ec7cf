"""What the policy says about an incident: a pure function that gives its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from pipeline.response.policy import Brakes, Policy, Rule, Step
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.key_record import KeyRecord

HOUR_SECONDS = 3600.0
DAY_SECONDS = 86_400.0


class Automatic(Struct, omit_defaults=True):
    """A revocation that was requested by a policy."""

    action_id: str
    key_id: str
    at: float
    """Unix seconds."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What the brakes look at."""

    automatic: Sequence[Automatic] = ()
    """Automatic revocations of the last day, dry runs among them."""
    fleet_keys: int = 0
    """Keys in the registry; 0 when there is none."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and why."""

    step: Step
    reason: str
    rule: str | None = None
    not_before: float | None = None
    """Unix seconds; only for `revoke`."""
    dry_run: bool = False

    def once_taken(self, by: str) -> "Decision":
        """What is left of it when somebody has taken the incident: revoking becomes a question."""
        if self.step != "revoke":
            return self
        name = by.rpartition(":")[2]
        reason = f"rule {self.rule} would revoke, but {name} has acknowledged the incident"
        return Decision("ask", reason, self.rule)


def decide(
    policy: Policy | None,
    incident: Incident,
    key_record: KeyRecord | None,
    history: History,
    now: float,
) -> Decision:
    """What the first matching rule wants, unless something holds it back.

    What holds a revocation back turns it into a question to a person.
    """
    if policy is None:
        return Decision("notify", "there is no policy")
    if incident.status != "open":
        return Decision("notify", f"the incident is {incident.status}")
    rule = next((rule for rule in policy.rules if matches(rule, incident, key_record)), None)
    if rule is None:
        return Decision("notify", "no rule matches")
    if rule.then == "notify":
        return Decision("notify", f"rule {rule.name} says notify", rule.name)
    held = _held(policy.brakes, incident, key_record, history, now)
    if rule.then == "ask" or held is not None:
        why = "says ask" if rule.then == "ask" else f"would revoke, but {held}"
        return _question(policy, rule, why)
    return Decision(
        "revoke",
        f"rule {rule.name} says revoke",
        rule.name,
        not_before=now + rule.delay_seconds,
        dry_run=policy.brakes.dry_run,
    )


def _question(policy: Policy, rule: Rule, why: str) -> Decision:
    """Ask a person; those who may answer are named, unless it is everybody whose clicks count."""
    approvers = policy.approvers_of(rule.name)
    who = "" if approvers is None else f" (who may revoke: {', '.join(approvers) or 'nobody'})"
    return Decision("ask", f"rule {rule.name} {why}{who}", rule.name)


def matches(rule: Rule, incident: Incident, key_record: KeyRecord | None) -> bool:
    """Whether every field of a rule fits; the registry is asked where the incident is silent."""
    team = incident.team or (key_record.team if key_record else None)
    environment = incident.environment or (key_record.environment if key_record else None)
    tags = (key_record.tags if key_record else None) or []
    return (
        (rule.severity is None or incident.severity in rule.severity)
        and (rule.cause is None or incident.cause in rule.cause)
        and (rule.environment is None or environment in rule.environment)
        and (rule.team is None or team in rule.team)
        and (rule.tags is None or any(tag in rule.tags for tag in tags))
        and incident.risk >= rule.risk_min
    )


def braked(brakes: Brakes, history: History, now: float, action_id: str = "") -> str | None:
    """Which limit on automatic revocations is reached, not counting the one asked about.

    Dry runs use up a dry run's limits, as what they stand for would; they hold nothing real back.
    """
    others = [
        past
        for past in history.automatic
        if past.action_id != action_id and (brakes.dry_run or not past.dry_run)
    ]
    if sum(past.at > now - HOUR_SECONDS for past in others) >= brakes.revocations_per_hour_max:
        return f"the limit of {brakes.revocations_per_hour_max} automatic revocations an hour holds"
    keys = {past.key_id for past in others if past.at > now - DAY_SECONDS}
    allowed = max(1, int(brakes.fleet_share_per_day_max * history.fleet_keys))
    if len(keys) >= allowed and not history.fleet_keys:
        return "the limit of 1 key a day holds: the registry knows no keys to take a share of"
    if len(keys) >= allowed:
        return f"the limit of {allowed} of {history.fleet_keys} keys a day holds"
    return None


def _held(
    brakes: Brakes,
    incident: Incident,
    key_record: KeyRecord | None,
    history: History,
    now: float,
) -> str | None:
    """Why nothing may be done without a person."""
    if key_record is not None and key_record.protected:
        return "the key is protected"
    if key_record is not None and key_record.status != "active":
        return f"the key is already {key_record.status}"
    age_seconds = now - epoch(incident.detected_at)
    if age_seconds > brakes.incident_age_seconds_max:
        return f"the incident was detected {age_seconds / 60:.0f} minutes ago"
    return braked(brakes, history, now)
