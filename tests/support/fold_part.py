"""`python -m tests.support.fold_part HALF OUT [BEFORE]`: half a fleet's log, folded, as JSON.

The states of the first half (BEFORE) are where the second goes on.
"""

import base64
import json
import sys
from pathlib import Path

from pipeline.config import Config
from pipeline.default_rules import default_rules
from pipeline.engine import PartitionFold
from pipeline.form import form
from pipeline.simulate import FleetSettings, simulate
from schemas.codec import encode
from tests.benchmarks.load import EVENTS_PER_MESSAGE, pack

CHECKPOINT_MESSAGES = 10
SETTINGS = FleetSettings(
    keys=24, days=5, seed=7, volume=0.5, change_rate=0.4, attack_rate=0.5
)  # some of each


def fold_part(half: int, before: dict[str, str]) -> dict[str, object]:
    """Incidents, rows of windows and the last state of each key, in the order of the log."""
    rows = [encode(event) for event in simulate(SETTINGS).events()]
    middle = len(rows) // 2 // EVENTS_PER_MESSAGE * EVENTS_PER_MESSAGE
    fold = PartitionFold(default_rules(Config()))
    for key_id, text in before.items():
        fold.restore(key_id, base64.b64decode(text))
    incidents: list[str] = []
    windows: list[str] = []
    states = dict(before)
    messages = pack(rows[:middle] if half == 1 else rows[middle:])
    for number, message in enumerate(messages, start=1):
        incidents += [encode(each).decode() for each in fold.fold(message).incidents]
        if number % CHECKPOINT_MESSAGES == 0 or number == len(messages):
            checkpoint = fold.checkpoint()
            windows += [encode(each).decode() for each in checkpoint.windows]
            for key_id, state in checkpoint.states:
                states[key_id] = base64.b64encode(state or b"").decode()
    return {"form": form(), "incidents": incidents, "windows": windows, "states": states}


def main(half: str, out: str, before: str | None = None) -> None:
    """Fold, and leave the outcome in a file."""
    states = json.loads(Path(before).read_text())["states"] if before else {}
    Path(out).write_text(json.dumps(fold_part(int(half), states)))


if __name__ == "__main__":
    main(*sys.argv[1:])
