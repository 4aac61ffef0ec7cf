"""Azure's published conversation requests (CC-BY 4.0) as usage events.

58 minutes of real arrivals and token counts. The data names no keys: requests are dealt to as many
as are asked for, heavy-tailed, the same way each time.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from schemas.usage_event import UsageEvent


def events(path: Path, *, keys: int = 1, seed: int = 1) -> Iterator[UsageEvent]:
    """The requests in order of time."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, keys + 1)
    weights /= weights.sum()
    with path.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            # Seven digits of a second, where datetime takes six.
            time = datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC)
            yield UsageEvent(
                event_id=f"azure-{number}",
                occurred_at=time,
                key_id=f"azure-{rng.choice(keys, p=weights)}",
                source="azure",
                provider="azure",
                model="gpt-4o-mini",
                operation="chat",
                input_tokens=int(row["ContextTokens"]),
                output_tokens=int(row["GeneratedTokens"]),
            )
