"""What must hold of the real stack once it has come to rest."""

import asyncio
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pipeline.engine import PartitionFold
from pipeline.store import Store
from pipeline.workers.role import Record, to_message
from schemas.codec import encode
from schemas.fields import epoch, to_nanos
from schemas.incident import Incident
from schemas.spend_window import SECONDS
from schemas.topics import ACTION_RESULTS, ACTIONS, INCIDENTS, USAGE_EVENTS
from schemas.usage_event import UsageEvent
from tests.faults.real_stack import RealStack
from tests.faults.real_traffic import EMPTY, PARTITIONS
from tests.support.events import rules
from tests.support.kafka_log import bodies, read

REST_SECONDS_MAX = 150.0
"""Pauses after failures grow to a minute."""
_MISTAKE = re.compile(
    r" pipeline\.workers\.run: (Key|Index|Type|Attribute|Assertion|Value|Runtime|Name)Error\b"
)
_WINDOWS = """
SELECT key_id, granularity, toUnixTimestamp(window_start), requests, spend_usd
FROM spend_windows FINAL
"""


async def violations(stack: RealStack) -> list[str]:
    """Stop the traffic, wait for rest, and look; what is wrong, a line each."""
    stack.traffic.flowing.clear()
    await asyncio.sleep(0.3)
    deadline = time.monotonic() + REST_SECONDS_MAX
    while (found := await _look(stack)) and time.monotonic() < deadline:  # noqa: ASYNC110 - of others
        await asyncio.sleep(0.5)
    stack.traffic.flowing.set()
    return found


async def _look(stack: RealStack) -> list[str]:
    with Store.open(stack.config.store) as store:
        found = await asyncio.to_thread(_stored, stack, store)
        if found:
            return found
        log = await read(stack.config.kafka, USAGE_EVENTS, committed=True)
        if any(record.partition == EMPTY for record in log):
            found.append("the empty partition is not empty")
        wanted = undisturbed(log)
        rows = store.query("SELECT incident_id, revision FROM incidents FINAL").rows
    if Counter(rows) != Counter((each.incident_id, each.revision) for each in wanted):
        found.append(f"store: {len(rows)} revisions, not {len(wanted)}")
    topic = await bodies(stack.config.kafka, INCIDENTS, committed=True)
    said = Counter(map(_identity, topic))
    if stack.rebuilds:  # what comes out as before is said again
        said = Counter(said.keys())
    if said != Counter(_identity(_plain(each)) for each in wanted):
        found.append(f"incidents: {len(topic)} revisions, not {len(wanted)}")
    return found + _people(stack) + await _actions(stack) + _mistakes(stack)


def _mistakes(stack: RealStack) -> list[str]:
    """Workers that ended for a reason of their own making."""
    lines = (stack.folder / "workers.log").read_text(errors="replace").splitlines()
    return [line for line in lines if _MISTAKE.search(line)]


def _stored(stack: RealStack, store: Store) -> list[str]:
    bills = store.query("SELECT count() FROM provider_usage FINAL").rows[0][0]
    if bills != stack.traffic.billed:
        return [f"store: {bills} bills, not {stack.traffic.billed}"]
    ids = [row[0] for row in store.query("SELECT event_id FROM usage_events FINAL").rows]
    accepted = dict(stack.traffic.accepted)  # a late answer may yet add to it
    if Counter(ids) != Counter(accepted.keys()):
        return [f"store: {len(ids)} events ({len(set(ids))} distinct), not {len(accepted)}"]
    found = {
        tuple(row[:3]): (row[3], to_nanos(float(row[4]))) for row in store.query(_WINDOWS).rows
    }
    wanted = _totals(accepted.values())
    wrong = [place for place in wanted if found.get(place) != wanted[place]]
    extra = found.keys() - wanted.keys()
    if not wrong and not extra:
        return []
    examples = [f"{place}: {found.get(place)}, not {wanted[place]}" for place in wrong[:3]]
    return [f"windows: {len(wrong)} wrong, {len(extra)} too many", *examples]


def _totals(events: Iterable[UsageEvent]) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Requests and nano-dollars by window, counted apart from leakline."""
    requests: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    nanos: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    for each in events:
        for granularity, seconds in SECONDS.items():
            at = int(epoch(each.occurred_at)) // seconds * seconds
            requests[each.key_id, granularity, at] += 1
            nanos[each.key_id, granularity, at] += to_nanos(each.cost_usd or 0.0)
    return {place: (count, nanos[place]) for place, count in requests.items()}


def undisturbed(log: Sequence[Record]) -> list[Incident]:
    """The incidents of an undisturbed fold of the log as it stands."""
    folds = [PartitionFold(rules(), number, PARTITIONS) for number in range(PARTITIONS)]
    return [
        incident
        for record in log
        for incident in folds[record.partition]
        .fold(to_message(USAGE_EVENTS.name, record))
        .incidents
    ]


def _plain(incident: Incident) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(encode(incident))
    return plain


def _identity(incident: dict[str, Any]) -> str:
    """The whole record as text that can be counted."""
    return repr(sorted(incident.items()))


def _people(stack: RealStack) -> list[str]:
    told = Counter(
        post.body["metadata"]["event_payload"]["incident_id"] for post in stack.slack.pages
    )
    wrong = {incident: count for incident, count in told.items() if count != 1}
    found = [f"slack: {count} messages for {incident}" for incident, count in wrong.items()]
    if len(told) != len(stack.traffic.planted):
        found.append(f"slack: {len(told)} incidents told, not {len(stack.traffic.planted)}")
    return found


async def _actions(stack: RealStack) -> list[str]:
    found = []
    planted = stack.traffic.planted
    asked = await bodies(stack.config.kafka, ACTIONS, committed=True)
    found += _acted(stack, {each["action_id"] for each in asked})
    results = await bodies(stack.config.kafka, ACTION_RESULTS, committed=True)
    failed = {each["key_id"] for each in results if each["status"] == "failed"}
    if len(failed) != stack.refusals:
        found.append(f"actions: {len(failed)} failed, not {stack.refusals}")
    if stack.gateway.revoked != planted - failed:
        found.append(f"gateway: {len(stack.gateway.revoked)} revoked, not {len(planted)}")
    ids = Counter(each["action_id"] for each in asked)
    if ids != Counter(each["action_id"] for each in results):
        found.append(f"actions: {len(asked)} asked, {len(results)} results")
    return found


def _acted(stack: RealStack, asked: set[str]) -> list[str]:
    """The gateway acts once for an id, so an action acts twice if it comes under two of them."""
    ids = {(body["data"]["key_id"], acted) for acted, body in stack.gateway.received}
    found = [f"gateway: {acted}, and nobody asked for it" for _, acted in ids if acted not in asked]
    times = Counter(key_id for key_id, _ in ids)
    return found + [f"gateway: {key_id} {n} times" for key_id, n in times.items() if n > 1]
