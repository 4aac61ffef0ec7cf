"""Usage events and messages for tests: builders, an honest key's traffic, and strangers."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

import msgspec

from pipeline.accept import Batch
from pipeline.config import Config
from pipeline.default_rules import default_rules
from pipeline.engine import PartitionFold, Rules
from pipeline.message import Message
from schemas.codec import encode
from schemas.dead_letter import DeadLetter
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.spend_window import SpendWindow
from schemas.topics import CONTENT_TYPE_HEADER, NDJSON, RECORD_HEADER, TOLD_HEADER
from schemas.usage_event import UsageEvent

START = 1_789_948_800.0
"""Monday, 21 September 2026, 00:00 UTC, in Unix seconds."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
KEY = "key-1"
HOME = ("84.112.20.5", "84.112.20.6", "84.112.20.9")
"""An office in Austria."""
ABROAD = "200.160.2.3"
"""An internet line in Brazil."""
CLOUD = "52.95.110.1"
OPENAI_CLIENT = "OpenAI/Python 1.99.0"


@cache
def rules() -> Rules:
    """The rules as shipped; built once, since the price catalogue takes a moment."""
    return default_rules(Config())


def events_of(batch: Batch) -> list[UsageEvent]:
    """The events of a message that was accepted whole."""
    return [use.event for use in batch.uses if use.event is not None]


def event(at: float, **changes: object) -> UsageEvent:
    """A chat request of an ordinary key; its id follows from its time, key and address."""
    whole = UsageEvent(
        event_id="",
        occurred_at=at,
        key_id=KEY,
        source="litellm",
        provider="openai",
        model="gpt-4o-mini",
        operation="chat",
        input_tokens=900,
        output_tokens=120,
        cost_usd=0.002,
        latency_ms=800.0,
        client_ip=HOME[0],
        user_agent=OPENAI_CLIENT,
    )
    whole = msgspec.structs.replace(whole, **changes)
    whole.event_id = whole.event_id or f"{whole.key_id}-{at:.6f}-{whole.client_ip}"
    return whole


def packed(
    lines: Iterable[UsageEvent | bytes], offset: int = 0, *, appended_at: float | None = None
) -> Message:
    """A packed message, taken by the log just after its newest event."""
    lines = list(lines)
    if appended_at is None:
        times = [epoch(each.occurred_at) for each in lines if isinstance(each, UsageEvent)]
        appended_at = max(times, default=START) + 1.0
    value = b"\n".join(each if isinstance(each, bytes) else encode(each) for each in lines)
    return Message(
        "usage-events", 0, offset, value, appended_at, headers={CONTENT_TYPE_HEADER: NDJSON}
    )


def single(
    value: UsageEvent | bytes, offset: int = 0, headers: Mapping[str, str] | None = None
) -> Message:
    """A message of one event."""
    at = epoch(value.occurred_at) if isinstance(value, UsageEvent) else START
    raw = value if isinstance(value, bytes) else encode(value)
    return Message("usage-events", 0, offset, raw, at + 1.0, headers=headers or {})


def control(kind: str, record: msgspec.Struct, offset: int = 0, at: float = START) -> Message:
    """A control record."""
    return Message("usage-events", 0, offset, encode(record), at, headers={RECORD_HEADER: kind})


def registered(record: KeyRecord, at: float) -> Message:
    """A registry entry, told at a time in Unix seconds."""
    headers = {RECORD_HEADER: "key", TOLD_HEADER: f"{at:.0f}"}
    return Message("usage-events", 0, 0, encode(record), at, headers=headers)


def messages(events: Sequence[UsageEvent], size: int = 50) -> list[Message]:
    """Events in messages of a size, at the offsets from 0."""
    cut = [events[first : first + size] for first in range(0, len(events), size)]
    return [packed(part, offset) for offset, part in enumerate(cut)]


def renumbered(log: Iterable[Message]) -> list[Message]:
    """Messages one after another in a log, at the offsets from 0."""
    return [
        Message(
            each.topic, each.partition, offset, each.value, each.appended_at, None, each.headers
        )
        for offset, each in enumerate(log)
    ]


@dataclass
class Outcome:
    """What came of a log."""

    incidents: list[Incident] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    moved: list[tuple[str, bytes]] = field(default_factory=list)
    windows: list[SpendWindow] = field(default_factory=list)
    rows: dict[tuple[str, str, float], SpendWindow] = field(default_factory=dict)
    """The row with the highest version, by (key, granularity, start in Unix seconds)."""
    states: dict[str, bytes | None] = field(default_factory=dict)
    """The last stored state of each key."""
    fold: PartitionFold = field(default_factory=lambda: PartitionFold(rules()))

    def checkpoint(self) -> None:
        """Take in what a checkpoint of the fold yields."""
        saved = self.fold.checkpoint()
        self.states.update(saved.states)
        self.windows += saved.windows
        for row in saved.windows:
            place = (row.key_id, row.granularity, epoch(row.window_start))
            known = self.rows.get(place)
            if known is None or row.version >= known.version:
                self.rows[place] = row

    def pages(self) -> list[Incident]:
        """Revisions that wake a person."""
        return [each for each in self.incidents if each.severity == "page"]


def run(
    log: Iterable[Message],
    fold: PartitionFold | None = None,
    *,
    together: int = 1,
    checkpoint_every: int = 0,
) -> Outcome:
    """Fold a log.

    Args:
        log: the messages.
        fold: what folds them; a new one that takes every key when None.
        together: messages that are folded at once.
        checkpoint_every: groups of so many messages between checkpoints; 0: only one, at the end.
    """
    outcome = Outcome() if fold is None else Outcome(fold=fold)
    messages, number = iter(log), 0
    while group := tuple(islice(messages, together)):
        effects = outcome.fold.fold(*group)
        outcome.incidents += effects.incidents
        outcome.dead_letters += effects.dead_letters
        outcome.moved += effects.moved
        number += 1
        if checkpoint_every and number % checkpoint_every == 0:
            outcome.checkpoint()
    outcome.checkpoint()
    return outcome


def incident_lines(incidents: Iterable[Incident]) -> list[bytes]:
    """Incidents as they are compared between runs: encoded, by key, incident and revision."""
    ordered = sorted(incidents, key=lambda each: (each.key_id, each.incident_id, each.revision))
    return [encode(each) for each in ordered]


@cache
def office(days: int = 14, *, key_id: str = KEY, seed: int = 1) -> tuple[UsageEvent, ...]:
    """Working days from 8 to 18 o'clock: some requests an hour by a few people of one office."""
    rng = random.Random(seed)  # noqa: S311 # repeatable, and no secret
    return tuple(
        _office_event(rng, key_id, START + day * DAY + second)
        for day in range(days)
        if day % 7 < 5
        for second in sorted(rng.uniform(8, 18) * HOUR for _ in range(rng.randint(60, 110)))
    )


def _office_event(rng: random.Random, key_id: str, at: float) -> UsageEvent:
    tokens = round(rng.lognormvariate(6.5, 0.6))
    return event(
        at,
        key_id=key_id,
        client_ip=rng.choice(HOME),
        model=rng.choice(("gpt-4o-mini", "gpt-4o-mini", "gpt-4o")),
        input_tokens=tokens,
        output_tokens=tokens // 6,
        cost_usd=tokens * 2e-6,
    )


def burst(
    at: float, count: int, *, seconds: float = 10 * MINUTE, **changes: object
) -> list[UsageEvent]:
    """Requests at even distances, from a time on."""
    return [event(at + number * seconds / count, **changes) for number in range(count)]


def thief(at: float, count: int = 120, **changes: object) -> list[UsageEvent]:
    """A stranger with another client in another country, who spends."""
    own: dict[str, object] = {
        "client_ip": ABROAD,
        "user_agent": "python-requests/2.32",
        "model": "gpt-4o",
        "cost_usd": 0.4,
    }
    own |= changes
    return [event(at + number * 5.0, **own) for number in range(count)]


def in_time(*parts: Iterable[UsageEvent]) -> list[UsageEvent]:
    """Events of several parties, by time."""
    return sorted(
        (each for part in parts for each in part), key=lambda each: epoch(each.occurred_at)
    )


def workday(day: int, hour: float) -> float:
    """Unix seconds of an hour (UTC) of a day after the start; day 0 is a Monday."""
    return START + day * DAY + hour * HOUR
