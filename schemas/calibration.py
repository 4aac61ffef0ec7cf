"""What is shared between keys: an immutable, versioned set of thresholds (control record)."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import Identifier, Time, utc

Nats = Annotated[float, Meta(gt=0)]


class Calibration(Struct, kw_only=True, frozen=True):
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

    @property
    def created(self) -> str:
        """`created_at` as text."""
        return utc(self.created_at).isoformat()
