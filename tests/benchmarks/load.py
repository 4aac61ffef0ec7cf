"""Packed messages of many keys, for measuring speed: a simulated fleet, copied under new names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

import msgspec

from pipeline.config import Config
from pipeline.default_rules import default_rules
from pipeline.engine import PartitionFold, Rules
from pipeline.message import Message
from pipeline.simulate import Fleet, FleetSettings, simulate
from schemas.codec import decode_event, encode
from schemas.fields import epoch
from schemas.topics import CONTENT_TYPE_HEADER, NDJSON, USAGE_EVENTS
from schemas.usage_event import UsageEvent

EVENTS_PER_MESSAGE = 500
SHIFT_SECONDS = 7.0
"""Between copies of a key, so that they do not all speak at once …"""
SHIFT_SECONDS_MAX = 600.0
"""… but no copy is later than its original by more than this."""
DAY_SECONDS = 86_400.0
BEGINS_SECONDS = 9 / 24 * DAY_SECONDS
"""After midnight: nine in the morning in London, when much of the world is awake."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Which fleet is copied, and how much its keys do."""

    originals: int
    """Keys that are simulated; the others are copies."""
    volume: float
    """Factor on what the keys of a usual fleet do."""
    history_days: int
    """Whole days before the log begins."""
    attack_rate: float = 0.0
    """Share of the originals that are attacked."""


STRANGERS = Mix(originals=500, volume=0.6, history_days=0, attack_rate=0.05)
"""Keys that nobody has seen before, some of them stolen."""
SPARSE = Mix(originals=600, volume=0.6, history_days=3)
"""Ten thousand such keys make about a hundred events a second: an event or two per key-minute.

Of fewer originals, a single one who travels would be the cause of half of what detectors are asked.
"""
BUSY = Mix(originals=40, volume=40.0, history_days=1)
"""Ten thousand such keys make some thousand events a second."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is known of the keys of a log when it begins, and the log."""

    states: list[tuple[str, bytes]]
    rows: list[bytes]
    """Events as JSON, in order of time."""

    @property
    def events_per_s(self) -> float:
        """Events a second of event time."""
        first, last = (decode_event(self.rows[place]).occurred_at for place in (0, -1))
        return len(self.rows) / (epoch(last) - epoch(first))

    def fold(self, rules: Rules) -> PartitionFold:
        """A fold that knows the keys, with as many states in use as fit."""
        fold = PartitionFold(rules)
        for key_id, state in self.states:
            fold.restore(key_id, state)
        for key_id, _ in self.states[: rules.in_use_max]:
            fold.state_of(key_id)
        return fold


def load(mix: Mix, keys: int, count: int, rules: Rules) -> Load:
    """A log of about so many events and keys, that begins when the keys' habits are known.

    A stretch of the fleet's ordinary traffic, as long as it takes: nothing is thinned out, so that
    there are as many events a minute and key as there would be. Keys that are silent in it are
    missing.
    """
    known = min(keys, mix.originals)
    copies = max(1, round(keys / known))
    fleet = _fleet(mix, known)
    begins = fleet.settings.span[0] + mix.history_days * DAY_SECONDS + BEGINS_SECONDS
    past: list[UsageEvent] = []
    events: list[UsageEvent] = []
    for event in fleet.events():
        (past if epoch(event.occurred_at) < begins else events).append(event)
        if len(events) * copies >= count:
            break
    states = _states(past, rules) if mix.history_days else []
    return Load(
        [(f"{key_id}-{copy}", state) for key_id, state in states for copy in range(copies)],
        _copied(events, copies),
    )


def lines(keys: int, count: int, mix: Mix = STRANGERS) -> list[bytes]:
    """So many events of a fleet of so many keys that nobody has seen before, as JSON."""
    return load(replace(mix, history_days=0), keys, count, default_rules(Config())).rows


def pack(rows: Sequence[bytes]) -> list[Message]:
    """Lines as packed messages of one partition."""
    headers = {CONTENT_TYPE_HEADER: NDJSON}
    return [
        Message(
            USAGE_EVENTS.name,
            0,
            number,
            b"\n".join(rows[first : first + EVENTS_PER_MESSAGE]),
            4e9,
            headers=headers,
        )
        for number, first in enumerate(range(0, len(rows), EVENTS_PER_MESSAGE))
    ]


def _fleet(mix: Mix, keys: int) -> Fleet:
    settings = FleetSettings(
        keys=keys,
        days=mix.history_days + 3,
        seed=41,
        volume=mix.volume,
        change_rate=0.0,
        attack_rate=mix.attack_rate,
    )
    return simulate(settings)


def _states(events: Sequence[UsageEvent], rules: Rules) -> list[tuple[str, bytes]]:
    fold = PartitionFold(rules)
    for message in pack([encode(event) for event in events]):
        fold.fold(message)
    stored = fold.checkpoint().states
    return [(key, state) for key, state in stored if fold.state_of(key) and state is not None]


def _copied(events: Sequence[UsageEvent], copies: int) -> list[bytes]:
    rows = [
        (at, encode(_renamed(event, copy, at)))
        for copy in range(copies)
        for event in events
        for at in [round(epoch(event.occurred_at) + copy * SHIFT_SECONDS % SHIFT_SECONDS_MAX, 3)]
    ]
    rows.sort(key=lambda row: row[0])
    return [row for _, row in rows]


def _renamed(event: UsageEvent, copy: int, at: float) -> UsageEvent:
    return msgspec.structs.replace(
        event,
        occurred_at=at,
        key_id=f"{event.key_id}-{copy}",
        event_id=f"{event.event_id}-{copy}",
        client_ip=event.client_ip and _neighbour(event.client_ip, copy),
    )


def _neighbour(client_ip: str, copy: int) -> str:
    """Another address of the same prefix, which the copied state knows: of a country and network.

    A /24 has 256 addresses, so that of IPv4 so many copies have each one of their own.
    """
    address = ip_address(client_ip)
    host = (1 << 8 if address.version == 4 else 1 << 16) - 1
    return str(type(address)(int(address) & ~host | int(address) + copy & host))
