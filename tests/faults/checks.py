"""What must hold after every run, however disturbed."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from pipeline.engine import PartitionFold
from pipeline.message import Message
from pipeline.notify.page import PREFIX, Page
from pipeline.workers.role import to_message
from schemas.action import Action, ActionResult
from schemas.codec import encode
from schemas.dead_letter import DeadLetter
from schemas.fields import epoch, to_nanos
from schemas.incident import Incident
from schemas.provider_usage import ProviderUsage
from schemas.topics import (
    ACTION_RESULTS,
    ACTIONS,
    DEAD_LETTERS,
    INCIDENTS,
    NOTIFY_STATE,
    RECORD_HEADER,
    USAGE_EVENTS,
)
from tests.faults.world import PARTITIONS, World
from tests.support.events import rules

T = TypeVar("T", bound=msgspec.Struct)


def violations(world: World) -> list[str]:
    """Everything that is not as it should be; one line each."""
    wanted = undisturbed(world)
    return [
        *world.unexpected,
        *world.store.conflicts,
        *_events(world),
        *_controls(world),
        *_totals(world),
        *_incidents(world, wanted),
        *_dead_letters(world),
        *_messages(world, wanted),
        *_revocations(world, wanted),
    ]


def undisturbed(world: World) -> list[Incident]:
    """What folding the log in one go gives."""
    found: list[Incident] = []
    for number in range(PARTITIONS):
        fold = PartitionFold(rules(), number, PARTITIONS)
        for message in _log(world, number):
            found += fold.fold(message).incidents
    return found


def _log(world: World, number: int) -> Iterator[Message]:
    place = (USAGE_EVENTS.name, number)
    records, _ = world.broker.read(place, 0, 1_000_000, committed=True)
    return (to_message(USAGE_EVENTS.name, record) for record in records)


def _events(world: World) -> Iterator[str]:
    stored = {(each.key_id, each.event_id) for each in world.store.rows("usage_events")}
    missing, extra = world.traffic.accepted.keys() - stored, stored - world.traffic.accepted.keys()
    if missing or extra:
        yield f"store: {len(missing)} events missing, {len(extra)} too many"


def _controls(world: World) -> Iterator[str]:
    """Registry entries and bills are in the log once each, where they belong."""
    entries: list[bytes] = []
    bills: list[tuple[str | None, str]] = []
    for record in world.broker.committed(USAGE_EVENTS.name):
        kind, value = dict(record.headers).get(RECORD_HEADER), record.value or b""
        if kind == b"key":
            entries.append(value)
        elif kind == b"provider-usage":
            bill = msgspec.json.decode(value, type=ProviderUsage)
            bills.append((bill.model, bill.key_id or ""))
    if Counter(entries) != Counter(map(encode, world.traffic.records)):
        yield f"registry: {len(entries)} entries in the log, not {len(world.traffic.records)}"
    if Counter(bills) != Counter(world.traffic.bills.items()):
        yield f"bills: {sorted(bills)}, not {world.traffic.bills}"


def _totals(world: World) -> Iterator[str]:
    rows = {
        (row.key_id, row.granularity, epoch(row.window_start)): row
        for row in world.store.rows("spend_windows")
    }
    wanted = world.traffic.totals()
    if rows.keys() != wanted.keys():
        yield f"windows: {len(wanted.keys() - rows.keys())} missing"
    for place in rows.keys() & wanted.keys():
        row, totals = rows[place], wanted[place]
        found = (row.requests, row.errors, row.input_tokens + row.output_tokens)
        nanos = to_nanos(row.spend_usd)
        if (*found, nanos) != (totals.requests, totals.errors, totals.tokens, totals.nanos):
            yield f"window {place}: {row.requests} requests, not {totals.requests}"


def _incidents(world: World, wanted: list[Incident]) -> Iterator[str]:
    counted = Counter(encode(each) for each in wanted)
    for name, found in {
        "store": [encode(each) for each in world.store.rows("incidents")],
        "topic": [encode(each) for each in _committed(world, INCIDENTS.name, Incident)],
    }.items():
        # after a rebuild what comes out as before is said again
        said = Counter(set(found) if world.rebuilds else found)
        if said != counted:
            missing, extra = counted - said, said - counted
            yield f"incidents in the {name}: {missing.total()} missing, {extra.total()} too many"


def _dead_letters(world: World) -> Iterator[str]:
    letters = {
        (each.partition, each.offset, each.index): each
        for each in _committed(world, DEAD_LETTERS.name, DeadLetter)
        if _broken(each)
    }
    said = [e for e in _committed(world, DEAD_LETTERS.name, DeadLetter) if _broken(e)]
    if not world.rebuilds and len(said) != len(letters):
        yield f"dead letters: {len(said)}, for {len(letters)} lines"
    rows = [each for each in world.store.rows("dead_letters") if _broken(each)]
    if not len(letters) == len(rows) == world.traffic.broken:
        yield f"dead letters: {len(letters)}, stored {len(rows)}, not {world.traffic.broken}"
    strange = [each.reason for each in world.store.rows("dead_letters") if not _broken(each)]
    if strange:
        yield f"dead letters: {Counter(strange)}"


def _broken(letter: DeadLetter) -> bool:
    return letter.reason == "not_json"


def _messages(world: World, wanted: list[Incident]) -> Iterator[str]:
    """Each incident that a person is to see is in one message: its own, or one about many keys."""
    gathered = _gathered(world)
    told = Counter(
        incident_id
        for post in world.slack.pages
        for incident_id in gathered.get(post.card.incident_id, [post.card.incident_id])
    )
    latest: dict[str, Incident] = {}
    for incident in wanted:
        latest[incident.incident_id] = incident
    for incident_id, incident in latest.items():
        due = incident.status == "open" and incident.severity != "info"
        if told[incident_id] > 1 or (due and told[incident_id] != 1):
            yield f"slack: {told[incident_id]} messages for {incident_id}"
    if told.keys() - latest.keys():
        yield "slack: a message for an incident that never was"
    evidence = [p.card for p in world.slack.posts if p.card.event_type == "leakline_evidence"]
    explained = Counter(card.incident_id for card in evidence)
    if any(count > 1 for count in explained.values()):
        yield "slack: the evidence twice"


def _gathered(world: World) -> dict[str, list[str]]:
    """The incidents of each notice, as notify remembers them."""
    states = {each.key: each.value for each in world.broker.committed(NOTIFY_STATE.name)}
    pages = [
        msgspec.json.decode(value, type=Page)
        for key, value in states.items()
        if value and key and key.startswith(PREFIX.encode())
    ]
    return {p.incident.incident_id: list(p.fleet.members) for p in pages if p.fleet is not None}


def _revocations(world: World, wanted: list[Incident]) -> Iterator[str]:
    actions = {each.action_id: each for each in _committed(world, ACTIONS.name, Action)}
    results: defaultdict[str, set[bytes]] = defaultdict(set)
    for result in _committed(world, ACTION_RESULTS.name, ActionResult):
        results[result.action_id].add(encode(result))
    copies = Counter(r.action_id for r in _committed(world, ACTION_RESULTS.name, ActionResult))
    # it acts once for an id: an action acts twice if it comes under two of them
    for action_id in world.gateway.effective.keys() - actions.keys():
        yield f"gateway: {action_id} took effect and nobody asked for it"
    for action_id in actions:
        if copies[action_id] != 1:
            yield f"action {action_id} has {copies[action_id]} results"
    if world.policy is not None and not world.clicks:
        urgent = {e.key_id for e in wanted if e.severity == "page"}
        failed = {e.key_id for e in world.store.rows("action_results") if e.status == "failed"}
        if failed and "gateway answers 404" not in world.struck:
            yield f"gateway: actions on {failed} failed"
        if urgent - failed != world.gateway.revoked:
            yield f"gateway: revoked {world.gateway.revoked}, not {urgent}"


def _committed(world: World, topic: str, kind: type[T]) -> list[T]:
    records = world.broker.committed(topic)
    return [msgspec.json.decode(each.value, type=kind) for each in records if each.value]
