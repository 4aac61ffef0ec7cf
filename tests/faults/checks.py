"""What must hold after every run, however disturbed."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from pipeline.engine import PartitionFold
from pipeline.message import Message
from pipeline.notify.page import PREFIX, Page
from pipeline.response.gate import _holds
from pipeline.response.ledger import Entry
from pipeline.workers.role import to_message
from schemas.action import Action, ActionResult
from schemas.codec import encode
from schemas.dead_letter import DeadLetter
from schemas.fields import epoch, to_nanos
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.provider_usage import ProviderUsage
from schemas.topics import (
    ACTION_RESULTS,
    ACTIONS,
    DEAD_LETTERS,
    ENFORCE_STATE,
    INCIDENTS,
    KEYS,
    NOTIFY_STATE,
    RECORD_HEADER,
    USAGE_EVENTS,
    VERDICTS,
)
from schemas.verdict import Verdict
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
        *_objections(world),
        *_words(world),
        *_audit(world),
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
    if NOTIFY_STATE.name in world.lost:
        return  # they are posted anew
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
    return {
        page.incident.incident_id: list(page.fleet.members)
        for page in _pages(world)
        if page.fleet is not None
    }


def _revocations(world: World, wanted: list[Incident]) -> Iterator[str]:
    if ENFORCE_STATE.name in world.lost:
        return  # it does not know what it was about to do, nor what it did
    actions = {each.action_id: each for each in _committed(world, ACTIONS.name, Action)}
    asked = Counter(each.action_id for each in _committed(world, ACTIONS.name, Action))
    results: defaultdict[str, set[bytes]] = defaultdict(set)
    for result in _committed(world, ACTION_RESULTS.name, ActionResult):
        results[result.action_id].add(encode(result))
    copies = Counter(r.action_id for r in _committed(world, ACTION_RESULTS.name, ActionResult))
    # it acts once for an id: an action acts twice if it comes under two of them
    for action_id in world.gateway.effective.keys() - actions.keys():
        yield f"gateway: {action_id} took effect and nobody asked for it"
    for action_id in actions:
        if copies[action_id] > asked[action_id] or len(results[action_id]) != 1:
            yield f"action {action_id} has {copies[action_id]} results"
    if world.policy is not None and not world.clicks and not _objected(world):
        urgent = {e.key_id for e in wanted if e.severity == "page"}
        failed = {e.key_id for e in world.store.rows("action_results") if e.status == "failed"}
        if failed and "gateway answers 404" not in world.struck:
            yield f"gateway: actions on {failed} failed"
        if urgent - failed != world.gateway.revoked:
            yield f"gateway: revoked {world.gateway.revoked}, not {urgent}"


def _objected(world: World) -> bool:
    """Whether somebody held a machine back."""
    return any("tool" in what or "owner" in what or "lost" in what for what in world.struck)


def _objections(world: World) -> Iterator[str]:
    """A machine acts on nothing that a person had held, or an owner protected, by then."""
    if any(what.startswith("zombie") for what in world.struck):
        return  # one that slept between hearing and acting has not heard what came meanwhile
    protected = {
        each.key: each.counts_from
        for each in world.broker.ever_committed(KEYS.name)
        if each.key and msgspec.json.decode(each.value or b"", type=KeyRecord).protected
    }
    for entry, number in _intents(world):
        action = entry.action
        if protected.get(action.key_id.encode(), number) < number:
            yield f"{action.action_id}: its key was protected"
        verdict = _verdict(world, action.incident_id, number)
        if verdict is not None and _holds(verdict, action):
            yield f"{action.action_id}: {verdict.by} had said {verdict.verdict}"


def _intents(world: World) -> Iterator[tuple[Entry, int]]:
    """What enforce was about to send for a machine, and when that began to count."""
    sent: set[bytes] = set()
    for record in world.broker.ever_committed(ENFORCE_STATE.name):
        key = record.key or b""
        if key.startswith(b"action/") and record.value and key not in sent:
            entry = msgspec.json.decode(record.value, type=Entry)
            if entry.attempts and not entry.action.by_person:
                sent.add(key)
                yield entry, record.counts_from


def _verdict(world: World, incident_id: str, number: int) -> Verdict | None:
    """The last word on an incident by then."""
    latest: Verdict | None = None
    for record in world.broker.ever_committed(VERDICTS.name):
        said = msgspec.json.decode(record.value or b"", type=Verdict)
        about = said.incident_id == incident_id and said.verdict != "acknowledge"
        if about and record.counts_from < number:
            latest = said if latest is None or epoch(said.at) >= epoch(latest.at) else latest
    return latest


def _words(world: World) -> Iterator[str]:
    """What Slack shows that somebody said, everybody else can read; and it shows what was said."""
    said = [msgspec.json.encode(each) for each in _committed(world, VERDICTS.name, Verdict)]
    pages = {page.incident.incident_id: page for page in _pages(world)}
    for page in pages.values():
        word = page.verdict
        if word is not None and page.fleet is None and msgspec.json.encode(word) not in said:
            yield f"slack: {word.verdict} on {word.incident_id}, and nobody else can read it"
    if NOTIFY_STATE.name in world.lost or "clock jumps" in world.struck:
        return  # who forgot, or thinks that it was said before something else, shows the other
    for verdict in _committed(world, VERDICTS.name, Verdict):
        about = pages.get(verdict.incident_id)
        if about is None or (about.heard_by or "").startswith("slack:"):
            continue  # a click is of when it is read, and older words do not count then
        word = about.verdict
        unheard = word is None or epoch(word.at) < epoch(verdict.at)
        if verdict.verdict in {"benign", "expected", "leak"} and unheard:
            yield f"slack: {verdict.by} said {verdict.verdict} on {verdict.incident_id}, unheard"


def _audit(world: World) -> Iterator[str]:
    """The store holds what was committed to, and nothing else."""
    wanted: dict[str, type[msgspec.Struct]] = {
        VERDICTS.name: Verdict,
        ACTIONS.name: Action,
        ACTION_RESULTS.name: ActionResult,
    }
    for topic, kind in wanted.items():
        table = topic.replace("-", "_")
        stored = {encode(each) for each in world.store.rows(table)}
        if stored != {encode(each) for each in _committed(world, topic, kind)}:
            yield f"{table}: {len(stored)} rows, other than were committed to"


def _pages(world: World) -> list[Page]:
    """What notify remembers in the end."""
    states = {each.key: each.value for each in world.broker.committed(NOTIFY_STATE.name)}
    return [
        msgspec.json.decode(value, type=Page)
        for key, value in states.items()
        if value and key and key.startswith(PREFIX.encode())
    ]


def _committed(world: World, topic: str, kind: type[T]) -> list[T]:
    records = world.broker.committed(topic)
    return [msgspec.json.decode(each.value, type=kind) for each in records if each.value]
