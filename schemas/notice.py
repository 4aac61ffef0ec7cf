"""What people would have been told (a line of `leakline replay --notices`)."""

from msgspec import Struct

from schemas.fields import Time, utc
from schemas.incident import Cause, Severity


class Notice(Struct, kw_only=True):
    """A message, of one incident or of many keys, in its last state."""

    notice_id: str
    """Of an incident that was told alone: its id."""
    severity: Severity
    """The highest that its incidents had."""
    cause: Cause
    told_at: Time
    """Event time of the revision that people were first told of."""
    shared: str | None = None
    """What the keys have in common, `kind=value`; none for a message about one incident."""
    key_ids: list[str]
    incident_ids: list[str]
    spend_usd: float
    """Spend of all its incidents, each since it opened."""
    unseen_usd: float = 0.0
    """Billed, and seen by no gateway, so that `spend_usd` lacks it."""

    def __post_init__(self) -> None:
        self.told_at = utc(self.told_at)
