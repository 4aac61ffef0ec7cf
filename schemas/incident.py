"""What leakline concludes about a key (topic `incidents`)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from schemas.fields import Identifier, Time, utc

Status = Literal["open", "resolved", "suppressed"]
Severity = Literal["page", "ticket", "info"]
Cause = Literal[
    "leaked",
    "shared",
    "exposed",
    "runaway",
    "off_gateway",
    "revoked_use",
    "budget",
    "hygiene",
    "growth",
]
SEVERITIES: tuple[Severity, ...] = ("info", "ticket", "page")
"""From the least to the most urgent."""


class Signal(Struct, kw_only=True):
    """One detector's answer to its question about one key in one window."""

    detector: str
    score: float
    """Evidence for abuse in nats (a log-likelihood ratio), before fusion discounts it."""
    p_value: float
    """How often an honest key shows at least this much, in 0 to 1."""
    window_start: Time
    window_end: Time
    summary: str
    """One sentence that a person can act on."""
    evidence: dict[str, Any] = {}
    """The numbers behind the summary; JSON types only."""

    def __post_init__(self) -> None:
        self.window_start = utc(self.window_start)
        self.window_end = utc(self.window_end)


UNPRICED = "unpriced_requests"
"""What each signal's evidence calls the requests of the incident that no price is known of."""


def unseen_usd(signals: Iterable[Signal]) -> float | None:
    """Dollars that were billed and that no gateway saw, by the signal that says most."""
    unseen = [each.evidence.get("unseen_usd") for each in signals]
    return max((usd for usd in unseen if isinstance(usd, int | float) and usd > 0), default=None)


class Incident(Struct, kw_only=True):
    """One revision of an incident. (incident_id, revision) is unique and deterministic."""

    incident_id: Identifier
    revision: int
    """1, 2, 3 …"""
    key_id: Identifier
    team: str | None = None
    environment: str | None = None
    status: Status
    """`suppressed`: a person snoozed it or said that it is no leak."""
    severity: Severity
    """Of one that is no longer open always `info`, whatever it was: what has ended wakes nobody.
    What it paged for is in its earlier revisions."""
    cause: Cause
    runner_up: Cause | None = None
    """The second best explanation."""
    risk: float
    """0 to 1."""
    opened_at: Time
    """Event time of the first evidence."""
    detected_at: Time
    """Event time of the last event needed to decide this revision."""
    spend_usd: float
    """Spend since `opened_at`."""
    baseline_usd: float
    """What was expected in that time."""
    burn_usd_per_hour: float
    """Spend of the last quarter of an hour, as a rate."""
    signals: list[Signal] = []
    learning: bool = False
    """The key is new: little is known of it, so most evidence counts for less."""
    schema_version: int = 1

    def __post_init__(self) -> None:
        self.opened_at = utc(self.opened_at)
        self.detected_at = utc(self.detected_at)

    @property
    def unseen_usd(self) -> float | None:
        """Dollars that were billed and that no gateway saw, so that `spend_usd` lacks them."""
        return unseen_usd(self.signals)

    @property
    def lacks_prices(self) -> bool:
        """Whether `spend_usd` lacks requests that no price is known of."""
        return any(each.evidence.get(UNPRICED) for each in self.signals)

    def no_milder_than(self, before: "Incident") -> "Incident":
        """The incident, with the higher of its severity and that of an earlier revision."""
        highest = max(self.severity, before.severity, key=SEVERITIES.index)
        return replace(self, severity=highest)

    @property
    def opened(self) -> datetime:
        """`opened_at` as an aware UTC datetime."""
        return utc(self.opened_at)

    @property
    def detected(self) -> datetime:
        """`detected_at` as an aware UTC datetime."""
        return utc(self.detected_at)
