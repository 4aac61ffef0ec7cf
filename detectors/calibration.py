"""The calibration that is shipped with the product."""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

import msgspec

from schemas.calibration import Calibration

_HONEST: Final = msgspec.json.decode(
    files("detectors").joinpath("honest.json").read_bytes(), type=Calibration
)
"""What `make calibration` made of a simulated honest fleet: how often honest keys show how much."""
SHIPPED: Final = Calibration(
    version="shipped-17",
    created_at=datetime(2026, 11, 29, tzinfo=UTC),
    page_nats=7.0,
    ticket_nats=4.3,
    weights={
        "crowd": 0.7,
        "exposed_key": 0.85,
        "interleaved": 0.85,
        "new_client": 1.3,
        "token_stuffing": 0.85,
    },
    tails=_HONEST.tails,
)
"""Its thresholds are those that `make bench-detection` shows the curve around."""
