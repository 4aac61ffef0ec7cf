"""What is done about a key (topic `actions`) and what came of it (topic `action-results`)."""

from typing import Literal

from msgspec import Struct

from schemas.fields import Identifier, Time, utc

Kind = Literal["revoke", "restore", "throttle", "cap"]
Outcome = Literal["done", "verified", "failed", "refused", "expired", "cancelled"]


def is_person(requested_by: str) -> bool:
    """Whether a person asked for an action, and no policy."""
    return requested_by.startswith(("slack:", "console:"))


class Action(Struct, kw_only=True):
    """A request to a gateway. The id is deterministic and serves as the idempotency key."""

    action_id: Identifier
    incident_id: Identifier
    key_id: Identifier
    kind: Kind
    """leakline itself asks for `revoke` alone; the others are for tools that write to the topic."""
    gateway: str | None = None
    requested_by: str
    """`policy:<rule>` or `slack:<user>`; a tool that acts for a person says `console:<user>`."""
    requested_at: Time
    not_before: Time | None = None
    """It can be cancelled until then."""
    dry_run: bool = False
    """Nothing is sent to the gateway."""

    def __post_init__(self) -> None:
        self.requested_at = utc(self.requested_at)
        if self.not_before is not None:
            self.not_before = utc(self.not_before)

    @property
    def by_person(self) -> bool:
        """Whether a person asked for it."""
        return is_person(self.requested_by)


class ActionResult(Struct, kw_only=True):
    """What came of an action; an action has one final result."""

    action_id: Identifier
    attempt: int
    """Starts at 1."""
    status: Outcome
    http_status: int | None = None
    detail: str | None = None
    at: Time
    incident_id: Identifier | None = None
    key_id: Identifier | None = None
    kind: Kind | None = None

    def __post_init__(self) -> None:
        self.at = utc(self.at)
