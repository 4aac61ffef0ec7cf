"""The demo's fleet: a week of honest use that ended today, and a thief in its last minutes."""

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from pipeline.simulate import FleetSettings, simulate
from schemas.codec import encode
from schemas.fields import epoch, utc
from schemas.key_record import KeyRecord
from schemas.label import Label
from schemas.usage_event import UsageEvent

DAY_SECONDS = 86_400.0
LIVE_BEFORE_SECONDS = 120.0
"""How long before the theft the live part begins."""
LIVE_AFTER_SECONDS = 900.0
"""How much of the theft there is."""
GATEWAY = "demo-gateway"
"""What obeys revocations of every key."""
SETTINGS = FleetSettings(
    keys=40,
    days=7,
    seed=62,
    attack_rate=1 / 40,
    change_rate=0.3,
    kinds=("stolen_bulk",),
    volume=0.25,
)


@dataclass(frozen=True, slots=True)
class DemoFleet:
    """What happened, moved by whole days so that the end is within the last one."""

    keys: list[KeyRecord]
    history: list[UsageEvent]
    live: list[UsageEvent]
    theft: Label
    changes: int
    """Benign changes in the history, which must not page."""

    @property
    def stolen_usd_in_the_end(self) -> float:
        """What the thief would have spent if nobody had revoked the key."""
        spent = self.theft.malicious_spend
        return spent[-1][1] if spent else 0.0


def demo_fleet(now: float, settings: FleetSettings = SETTINGS) -> DemoFleet:
    """Simulate the fleet; the same for the same settings, but for the days that it happens on.

    Args:
        now: Unix seconds; the last event happens before it, and less than a day before.
        settings: of the simulation, with exactly one attack.

    Raises:
        ValueError: the settings lead to no attack.
    """
    events: list[UsageEvent] = []
    labels: list[Label] = []
    for day in simulate(settings).days():
        events += day.events
        labels += day.labels
    theft = next((label for label in labels if label.malicious), None)
    if theft is None:
        raise ValueError("no key is attacked in this fleet")
    began = epoch(theft.started_at)
    # Whole days keep every window as it was, at whatever hour the demo is shown.
    shift = (now - began - LIVE_AFTER_SECONDS) // DAY_SECONDS * DAY_SECONDS
    history: list[UsageEvent] = []
    live: list[UsageEvent] = []
    for event in events:
        at = epoch(event.occurred_at)
        if at <= began + LIVE_AFTER_SECONDS:
            moved = replace(event, occurred_at=at + shift)
            (live if at > began - LIVE_BEFORE_SECONDS else history).append(moved)
    changes = sum(not label.malicious and epoch(label.started_at) < began for label in labels)
    return DemoFleet(
        [_moved(key, shift) for key in simulate(settings).registry()],
        history,
        live,
        replace(theft, started_at=utc(began + shift), ended_at=utc(epoch(theft.ended_at) + shift)),
        changes,
    )


def _moved(record: KeyRecord, shift: float) -> KeyRecord:
    names = ("created_at", "expires_at", "rotated_at", "status_changed_at")
    times = {name: getattr(record, name) for name in names}
    return replace(
        record,
        gateway=GATEWAY,
        **{name: utc(epoch(at) + shift) for name, at in times.items() if at is not None},
    )


def batches(events: list[UsageEvent], size: int) -> Iterator[list[tuple[str, bytes]]]:
    """Events as (key id, JSON), so many at a time."""
    for start in range(0, len(events), size):
        yield [(event.key_id, encode(event)) for event in events[start : start + size]]
