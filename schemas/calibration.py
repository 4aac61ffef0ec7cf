"""What is shared between keys: an immutable, versioned set of thresholds (control record)."""

from bisect import bisect_right
from functools import cached_property
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from schemas.fields import Identifier, Time
from schemas.key_record import KeyRecord

COHORTS_MAX = 32
"""Environments with a threshold of their own in one calibration."""
Nats = Annotated[float, Meta(gt=0)]


class Tail(Struct, kw_only=True, frozen=True):
    """How much evidence honest keys show, and how often: a table, the scores rising."""

    scores: list[float]
    """Nats."""
    shares: list[Annotated[float, Meta(gt=0, le=1)]]
    """Of the honest key-days, those that show at least the score beside it."""

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.shares):
            raise ValueError("a tail needs a share for each score")
        if sorted(self.scores) != self.scores or sorted(self.shares)[::-1] != self.shares:
            raise ValueError("a tail's scores rise and its shares fall")

    def share(self, score: float) -> float:
        """How often an honest key-day shows at least so much: never less than was counted.

        Below the lowest score it is as often as any evidence was seen: the table ends there.
        """
        if not self.shares:
            return 1.0
        return self.shares[max(bisect_right(self.scores, score), 1) - 1]


class Calibration(Struct, kw_only=True, frozen=True, dict=True):
    """The evidence that severities ask for.

    Shipped with the product, recomputed from history, and put into every partition as a record,
    so that a key's verdict depends on its log alone.
    """

    version: Identifier
    created_at: Time
    page_nats: Nats
    """Fused evidence from which a person is woken."""
    ticket_nats: Nats
    """Fused evidence from which a person is told."""
    weights: dict[str, float] = {}
    """Factor on a detector's score; 1 where absent."""
    tails: dict[str, Tail] = {}
    """By detector: where there is one, a signal's p-value comes from it."""
    cohorts: Annotated[dict[Identifier, Nats], Meta(max_length=COHORTS_MAX)] = {}
    """By environment: the `page_nats` of the keys whose registry entries name it."""

    def of(self, record: KeyRecord | None) -> "Calibration":
        """What a key is judged by: that of its cohort, or the fleet's where it has none.

        The cohort is what the registry says, never an event: a thief cannot choose it.
        """
        if record is None or record.environment is None:
            return self
        return self._by_environment.get(record.environment, self)

    @cached_property
    def _by_environment(self) -> dict[str, "Calibration"]:
        """Whole calibrations; a ticket asks for the same share of a page in each."""
        share = self.ticket_nats / self.page_nats
        return {
            environment: replace(self, page_nats=nats, ticket_nats=share * nats, cohorts={})
            for environment, nats in self.cohorts.items()
        }

    def p_value(self, detector: str, score: float) -> float | None:
        """How often an honest key shows as much of a detector's evidence; None: not counted."""
        tail = self.tails.get(detector)
        return None if tail is None else tail.share(score)
