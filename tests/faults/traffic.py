"""A seeded log to disturb: honest keys, thefts, planted keys, misplaced, doubled, broken events.

Nothing in it is late, so that every accepted event counts once, and an independent count is easy.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from schemas.codec import encode
from schemas.fields import epoch, to_nanos
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.provider_usage import ProviderUsage
from schemas.spend_window import SECONDS
from schemas.topics import CONTENT_TYPE_HEADER, KEYS, NDJSON, PROVIDER_USAGE, USAGE_EVENTS
from schemas.usage_event import UsageEvent
from tests.faults.broker import Headers, Place
from tests.support.events import DAY, START, burst, in_time, office, thief, workday

BEGIN = START + 10 * DAY
"""Unix seconds at which the log is written; all of its events are older."""
PACKED: Headers = ((CONTENT_TYPE_HEADER, NDJSON.encode()),)
BILLS = (("lone", 0.0, "planted-0"), ("shared", 0.0, "shared"), ("unknown", 40.0, "unknown"))
"""Provider's key, dollars, whose it is: only the last is for use that no gateway saw."""
BROKEN = b'{"event_id": "x", "key_id": '


@dataclass(frozen=True, slots=True)
class Sent:
    """A record to append."""

    place: Place
    value: bytes
    headers: Headers = ()
    key: bytes | None = None


@dataclass(slots=True)
class Totals:
    """What an independent count finds in a window."""

    requests: int = 0
    errors: int = 0
    nanos: int = 0
    tokens: int = 0


@dataclass(slots=True)
class Traffic:
    """The log, and what must come of it."""

    log: list[Sent] = field(default_factory=list)
    accepted: dict[tuple[str, str], UsageEvent] = field(default_factory=dict)
    broken: int = 0
    records: list[KeyRecord] = field(default_factory=list)
    """The registry; its entries come first."""
    bills: dict[str, str] = field(default_factory=dict)
    """By the model that is billed: whose the bill is."""

    def totals(self) -> dict[tuple[str, str, float], Totals]:
        """By key, granularity and start in Unix seconds."""
        found: defaultdict[tuple[str, str, float], Totals] = defaultdict(Totals)
        for event in self.accepted.values():
            for granularity, seconds in SECONDS.items():
                start = epoch(event.occurred_at) // seconds * seconds
                totals = found[event.key_id, granularity, start]
                totals.requests += 1
                totals.errors += event.status >= 400
                totals.nanos += to_nanos(event.cost_usd or 0.0)
                totals.tokens += event.input_tokens + event.output_tokens
        return dict(found)


def traffic(seed: int, partitions: int) -> Traffic:
    """A log for a seed."""
    rng = random.Random(seed)  # noqa: S311 # repeatable, and no secret
    writer = _Writer(rng, partitions)
    records, parties, astray = _parties(rng)
    for record in records:
        writer.register(record)
    for event in in_time(*parties):
        writer.event(event, astray=event.key_id in astray)
    writer.flush()
    for provider_key, dollars, whose in BILLS:
        for line in range(rng.randint(0, 3)):
            writer.bill(provider_key, dollars, f"{whose}-{line}", whose)
    return writer.traffic


def _parties(
    rng: random.Random,
) -> tuple[list[KeyRecord], list[Sequence[UsageEvent]], set[str]]:
    """Registry entries, events of each party, and the keys whose events are all misplaced."""
    planted = [f"planted-{number}" for number in range(rng.randint(1, 4))]
    records = [KeyRecord(key_id=key_id, canary=True, gateway="edge") for key_id in planted]
    records[0].provider_key_id = "lone"
    records += [
        KeyRecord(key_id=key_id, gateway="edge", provider_key_id="shared")
        for key_id in ("office", "quiet", "astray")
    ]
    parties: list[Sequence[UsageEvent]] = [
        thief(workday(8, rng.uniform(1, 20)), rng.randint(1, 12), key_id=key_id)
        for key_id in planted
    ]
    parties += [
        burst(workday(7, rng.uniform(8, 10)), rng.randint(5, 40), seconds=7200.0, key_id=key_id)
        for key_id in ("quiet", "astray")
    ]
    if rng.random() < 0.08:
        parties.append(office(9, key_id="office", seed=rng.randint(1, 3)))
        parties.append(thief(workday(8, rng.uniform(9, 20)), rng.randint(30, 90), key_id="office"))
    if rng.random() < 0.5:
        records.append(KeyRecord(key_id="astray-planted", canary=True, gateway="edge"))
        stolen = thief(workday(8, 11), rng.randint(2, 30), key_id="astray-planted")
        parties.append(stolen)
    return records, parties, {"astray", "astray-planted"}


class _Writer:
    """Packs events into messages, a partition at a time."""

    def __init__(self, rng: random.Random, partitions: int) -> None:
        self._rng = rng
        self._partitions = partitions
        self._waiting: defaultdict[int, list[bytes]] = defaultdict(list)
        self._sizes: dict[int, int] = {}
        self.traffic = Traffic()

    def register(self, record: KeyRecord) -> None:
        """A key's entry."""
        self.traffic.records.append(record)
        sent = Sent((KEYS.name, 0), encode(record), key=record.key_id.encode())
        self.traffic.log.append(sent)

    def bill(self, provider_key: str, dollars: float, model: str, whose: str) -> None:
        """A bill, somewhere in the log."""
        bill = ProviderUsage(
            provider="openai",
            provider_key_id=provider_key,
            model=model,
            window_start=BEGIN - 7200,
            window_end=BEGIN - 3600,
            cost_usd=dollars,
            observed_at=BEGIN,
        )
        self.traffic.bills[model] = whose
        first = len(self.traffic.records)
        place = self._rng.randint(first, len(self.traffic.log))
        self.traffic.log.insert(place, Sent((PROVIDER_USAGE.name, 0), encode(bill)))

    def event(self, event: UsageEvent, *, astray: bool) -> None:
        """An event, sometimes twice, sometimes with something broken after it."""
        event = msgspec.structs.replace(event, status=self._rng.choice((200, 200, 200, 429)))
        self.traffic.accepted[event.key_id, event.event_id] = event
        number = (partition_of(event.key_id, self._partitions) + astray) % self._partitions
        self._add(number, encode(event))
        if self._rng.random() < 0.03:
            self._add(number, encode(event))
        if self._rng.random() < 0.01:
            self.traffic.broken += 1
            self._add(number, BROKEN)

    def flush(self) -> None:
        """Write what waits."""
        for number in list(self._waiting):
            self._write(number)

    def _add(self, number: int, line: bytes) -> None:
        lines = self._waiting[number]
        lines.append(line)
        if len(lines) >= self._sizes.setdefault(number, self._rng.choice((1, 3, 12, 30))):
            self._write(number)

    def _write(self, number: int) -> None:
        lines = self._waiting.pop(number)
        self._sizes.pop(number, None)
        place = (USAGE_EVENTS.name, number)
        self.traffic.log.append(Sent(place, b"\n".join(lines), PACKED))
