"""The policy file: which incidents lead to what, who may approve, and the brakes.

Without a policy nothing is revoked by machine. All mistakes in the file are reported at once.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from pipeline.config import ConfigError, Section, read_toml
from pipeline.mistakes import mistakes
from schemas.incident import Cause, Severity

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _named(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError("must be 1 to 64 letters, digits, dots, hyphens or underscores")
    return text


Step = Literal["notify", "ask", "revoke"]
Share = Annotated[float, Field(ge=0, le=1)]


class Brakes(Section):
    """Limits on what is done without a person; they never hold back a person."""

    revocations_per_hour_max: Annotated[int, Field(ge=0)] = 3
    """Automatic revocations in any 60 minutes, over all keys."""
    fleet_share_per_day_max: Share = 0.05
    """Of the keys in the registry, automatically revoked in any 24 hours; one key always may."""
    incident_age_seconds_max: Annotated[float, Field(gt=0)] = 3600.0
    """An incident that is older than this when it is read is put to a person instead."""
    dry_run: bool = False
    """Automatic revocations are recorded and reported, and not sent."""


class Rule(Section):
    """What to do with an incident that matches every given field; an absent one matches all."""

    name: Annotated[str, AfterValidator(_named)]
    severity: list[Severity] | None = None
    cause: list[Cause] | None = None
    environment: list[str] | None = None
    team: list[str] | None = None
    tags: list[str] | None = None
    """Of the key in the registry; one in common is enough."""
    risk_min: Share = 0.0
    then: Step
    """`notify`: tell. `ask`: tell, and name who decides. `revoke`: act."""
    delay_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """A revocation waits this long; a verdict that is not a leak, or a snooze, holds it."""
    approvers: list[str] | None = None
    """Slack user ids that may revoke; those of the policy when absent."""


class Policy(Section):
    """Rules in order: the first that matches decides. None matches: notify."""

    approvers: list[str] | None = None
    """Slack user ids, of `slack.allowed_users`, that may revoke; all of them when absent."""
    brakes: Brakes = Brakes()
    rules: tuple[Rule, ...] = ()

    @field_validator("rules", mode="before")
    @classmethod
    def _tables(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            raise ValueError("must be tables, each under a [[rules]] of its own")  # noqa: TRY004  # pydantic wants it
        return value

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules: two have the name {', '.join(twice)}")
        return self

    def rule(self, name: str | None) -> Rule | None:
        """The rule of a name."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def approvers_of(self, name: str | None) -> Sequence[str] | None:
        """Who may revoke where this rule has matched; None: all of `slack.allowed_users`."""
        rule = self.rule(name)
        return self.approvers if rule is None or rule.approvers is None else rule.approvers


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The policy as it could be read."""

    policy: Policy | None = None
    problem: str | None = None
    """Why there is none although one is configured."""

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """The policy in a file; one that cannot be read leaves everything to people."""
        try:
            return cls(load_policy(path))
        except ConfigError as error:
            log.warning("the policy cannot be read, so nothing is revoked by machine: %s", error)
            return cls(problem="it cannot be read, so nothing is revoked by machine")


def load_policy(path: Path | None) -> Policy | None:
    """The policy in a file; None without a file.

    Raises:
        ConfigError: naming everything that is wrong, one a line.
    """
    if path is None:
        return None
    try:
        return Policy.model_validate(read_toml(path))
    except ValidationError as error:
        raise ConfigError(mistakes(error)) from None
