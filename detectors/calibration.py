"""The calibration that is shipped with the product."""

from datetime import UTC, datetime
from typing import Final

from schemas.calibration import Calibration

SHIPPED: Final = Calibration(
    version="shipped-2",
    created_at=datetime(2026, 11, 23, tzinfo=UTC),
    page_nats=7.0,
    ticket_nats=4.3,
)
