"""What is said about a key depends on its records and their order, and on nothing else."""

import random
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine import PartitionFold
from pipeline.engine.bookkeeping import OWN_KEYS
from pipeline.engine.stored import read
from pipeline.message import Message
from schemas.codec import encode
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.topics import MOVED_HEADER
from schemas.usage_event import UsageEvent
from schemas.verdict import Verdict
from tests.support.events import (
    DAY,
    HOME,
    HOUR,
    KEY,
    MINUTE,
    Outcome,
    burst,
    control,
    event,
    in_time,
    incident_lines,
    office,
    packed,
    renumbered,
    rules,
    run,
    thief,
    workday,
)

STOLEN = in_time(
    office(9),
    thief(workday(8, 10.2)),
    burst(workday(8, 13.5), 300, cost_usd=0.2),
    thief(workday(8, 23.0), 40, client_ip="185.220.101.4", user_agent="curl/8.5"),
    burst(workday(10, 9.0), 30),
)
"""An honest week, then two thieves and a loop of the owner's own."""


def shuffled(events: Sequence[UsageEvent], seed: int) -> list[UsageEvent]:
    """Events out of order by a few minutes, some twice, some far too late."""
    rng = random.Random(seed)  # noqa: S311 # repeatable, and no secret
    late = [each for each in events if rng.random() < 0.01]
    again = [each for each in events if rng.random() < 0.02]
    arrivals = [(epoch(each.occurred_at) + rng.uniform(0, 200), each) for each in events]
    arrivals += [(epoch(each.occurred_at) + rng.uniform(0, 280), each) for each in again]
    arrivals += [
        (epoch(each.occurred_at) + rng.uniform(400, 4000), named(each, "late")) for each in late
    ]
    return [each for _, each in sorted(arrivals, key=lambda pair: pair[0])]


def named(of: UsageEvent, suffix: str) -> UsageEvent:
    return msgspec.structs.replace(of, event_id=f"{of.event_id}-{suffix}")


LOG = shuffled(STOLEN, 7)
LOG_END = max(epoch(each.occurred_at) for each in LOG)


def cut(events: Sequence[UsageEvent], sizes: Sequence[int]) -> list[Message]:
    """Events in messages of the sizes, over and over."""
    log: list[Message] = []
    rest = list(events)
    while rest:
        size = sizes[len(log) % len(sizes)]
        at = LOG_END if log else None
        log.append(packed(rest[:size], len(log), appended_at=at))
        rest = rest[size:]
    return log


def canonical(value: object) -> object:
    """A decoded state as text-like lists: the order of mappings counts, that of sets does not."""
    if isinstance(value, msgspec.Struct):
        return [canonical(getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return [[name, canonical(each)] for name, each in value.items()]
    if isinstance(value, list):
        return [canonical(each) for each in value]
    return sorted(value) if isinstance(value, set) else repr(value)


def results(outcome: Outcome) -> tuple[list[bytes], list[bytes], dict[str, object]]:
    """Incidents, the highest rows and the states, as compared between runs."""
    rows = [msgspec.json.encode(outcome.rows[place]) for place in sorted(outcome.rows)]
    stored = {key_id: raw for key_id, raw in outcome.states.items() if key_id not in OWN_KEYS}
    states = {key_id: canonical(read(raw)) for key_id, raw in stored.items() if raw}
    return incident_lines(outcome.incidents), rows, states


@pytest.fixture(scope="module")
def whole() -> Outcome:
    """The log in one go, with one checkpoint at its end."""
    outcome = run([packed(LOG)])
    assert {each.severity for each in outcome.incidents} >= {"page"}
    assert len(outcome.incidents) >= 4
    return outcome


def test_the_log_is_worth_comparing(whole: Outcome) -> None:
    assert whole.fold.counts["late"] >= 5
    assert whole.fold.counts["duplicate"] >= 10
    assert len({each.incident_id for each in whole.incidents}) >= 1
    assert not whole.dead_letters


@pytest.mark.parametrize("sizes", [(1,), (7,), (500,), (1, 90, 3)], ids=str)
def test_packing_changes_nothing(whole: Outcome, sizes: tuple[int, ...]) -> None:
    assert results(run(cut(LOG, sizes))) == results(whole)


def everything(outcome: Outcome) -> list[bytes]:
    """All that comes out, in the order in which it does."""
    moved = [b"%s %s" % (key.encode(), raw) for key, raw in outcome.moved]
    counts = sorted(outcome.fold.counts.items())
    return [
        *(encode(each) for each in outcome.incidents),
        *(encode(each) for each in outcome.dead_letters),
        *moved,
        *(encode(each) for each in outcome.windows),
        *(msgspec.json.encode([key, raw]) for key, raw in outcome.states.items()),
        repr((counts, outcome.fold.limits)).encode(),
    ]


def crowd() -> list[Message]:
    """Many keys, some of another partition; garbage, control records, and messages that moved."""
    keys = [f"key-{number}" for number in range(6)]
    events = [
        msgspec.structs.replace(each, key_id=keys[number % 6], event_id=f"{number}")
        for number, each in enumerate(LOG)
    ]
    log = cut(events, (3, 8, 1))
    for number in range(40, len(log), 31):
        log[number] = packed([*events[:2], b"no json", *events[5:7]], appended_at=LOG_END)
    for number in range(44, len(log), 31):
        log[number] = replace(log[number], headers={**log[number].headers, MOVED_HEADER: "1"})
    for number in range(50, len(log), 200):
        log[number] = control("key", KeyRecord(key_id=keys[number % 6], timezone="Europe/Vienna"))
    return renumbered(log)


@pytest.mark.parametrize("partitions", [None, 2])
@pytest.mark.parametrize("together", [2, 7, 100])
def test_what_is_folded_together_changes_nothing(partitions: int | None, together: int) -> None:
    log = crowd()
    alone = run(log, PartitionFold(rules(), 0, partitions), checkpoint_every=together * 5)
    fold = PartitionFold(rules(), 0, partitions)
    grouped = run(log, fold, together=together, checkpoint_every=5)
    assert everything(grouped) == everything(alone)
    assert len(alone.incidents) > 8
    assert len(alone.dead_letters) > 5
    assert bool(alone.moved) is (partitions is not None)
    assert len({each.key_id for each in alone.incidents}) > 2


@pytest.mark.parametrize("every", [1, 13])
def test_checkpoints_change_nothing(whole: Outcome, every: int) -> None:
    assert results(run(cut(LOG, (5,)), checkpoint_every=every)) == results(whole)


@pytest.mark.parametrize("in_use_max", [100_000, 0, 2])
def test_other_keys_and_states_that_are_put_away_change_nothing(
    whole: Outcome, in_use_max: int
) -> None:
    others = [
        msgspec.structs.replace(each, key_id=f"other-{number % 5}")
        for number, each in enumerate(STOLEN)
    ]
    both = in_time(others, [])
    mixed = [pair for two in zip(LOG, both, strict=False) for pair in two] + LOG[len(both) :]
    fold = PartitionFold(replace(rules(), in_use_max=in_use_max))
    incidents, rows, states = results(run(cut(mixed, (40,)), fold, checkpoint_every=3))
    alone = results(whole)
    own = [raw for raw in incidents if msgspec.json.decode(raw)["key_id"] == KEY]
    assert own == alone[0]
    assert [raw for raw in rows if msgspec.json.decode(raw)["key_id"] == KEY] == alone[1]
    assert states[KEY] == alone[2][KEY]


def test_two_runs_are_the_same_to_the_byte(whole: Outcome) -> None:
    assert results(run([packed(LOG)])) == results(whole)


def partition() -> PartitionFold:
    """A fold that minds offsets, as a worker's does."""
    return PartitionFold(rules(), 0, 1)


def with_crashes(log: Sequence[Message], crashes: dict[int, int], together: int = 1) -> Outcome:
    """Fold a log in a worker that dies before some messages and loses up to so many of them.

    Args:
        log: the messages.
        crashes: message before which it dies, and how many messages ago its last checkpoint was.
        together: messages that are folded at once, if it neither dies nor saves before.
    """
    outcome = Outcome(fold=partition())
    position, dying = 0, dict(crashes)
    saved = 0
    while position < len(log):
        back = dying.pop(position, None)
        if back is not None:
            states = dict(outcome.states)
            outcome.fold = partition()
            for key_id, state in states.items():
                if state is not None:
                    outcome.fold.restore(key_id, state)
            position = saved
            continue
        ends = [at for at in dying if at > position]
        group = log[position : min(position + together, *ends, len(log))]
        outcome.incidents += outcome.fold.fold(*group).incidents
        position += len(group)
        if not any(at - ago < position <= at for at, ago in dying.items()):
            outcome.checkpoint()
            saved = position
    outcome.checkpoint()
    return outcome


def once(incidents: Sequence[Incident]) -> list[bytes]:
    """Incidents as consumers see them: each (incident, revision) once, if all copies agree."""
    lines = dict.fromkeys(incident_lines(incidents))
    seen: set[tuple[object, object]] = set()
    for line in lines:
        identity = msgspec.json.decode(line)
        pair = (identity["incident_id"], identity["revision"])
        assert pair not in seen, "the same revision twice, with other contents"
        seen.add(pair)
    return list(lines)


SMALL_LOG = cut(LOG[-1_100:], (6,))


@pytest.fixture(scope="module")
def undisturbed() -> Outcome:
    outcome = run(SMALL_LOG, partition())
    assert outcome.pages()
    return outcome


@settings(max_examples=12, deadline=None)
@given(
    crashes=st.dictionaries(st.integers(1, len(SMALL_LOG) - 1), st.integers(0, 30), max_size=6),
    together=st.sampled_from((1, 4, 50)),
)
def test_crashes_change_nothing(
    undisturbed: Outcome, crashes: dict[int, int], together: int
) -> None:
    outcome = with_crashes(SMALL_LOG, crashes, together)
    incidents, rows, states = results(undisturbed)
    assert once(outcome.incidents) == incidents
    assert results(outcome)[1:] == (rows, states)


def test_a_crash_at_every_revision_changes_nothing(undisturbed: Outcome) -> None:
    decided = {
        number
        for number, message in enumerate(SMALL_LOG)
        for each in undisturbed.incidents
        if f'"occurred_at":{epoch(each.detected_at)}'.encode() in message.value
    }
    assert len(decided) >= 4
    crashes = {number + after: 2 for number in decided for after in (0, 1)}
    outcome = with_crashes(SMALL_LOG, {at: ago for at, ago in crashes.items() if at})
    assert once(outcome.incidents) == incident_lines(undisturbed.incidents)
    assert results(outcome)[1:] == results(undisturbed)[1:]


def test_messages_that_come_again_are_skipped() -> None:
    log = SMALL_LOG[:60]
    twice = [message for pair in zip(log, log, strict=True) for message in pair]
    outcome = run(twice, partition())
    assert results(outcome) == results(run(log, partition()))
    assert outcome.fold.counts["duplicate"] == run(log, partition()).fold.counts["duplicate"]


def test_an_old_log_that_comes_again_is_skipped() -> None:
    outcome = run(SMALL_LOG, partition(), checkpoint_every=10)
    before = results(outcome)
    again = run(SMALL_LOG[:-1], outcome.fold)
    assert not again.incidents
    assert not again.rows
    assert results(outcome) == before


def test_control_records_among_events_are_as_repeatable_as_events() -> None:
    log = cut(LOG[:900], (20,))
    record = KeyRecord(key_id=KEY, timezone="Europe/Vienna", daily_budget_usd=20.0)
    rest = cut(LOG[900:], (20,))
    first = run([*log, control("key", record), *rest])
    opened = first.incidents[0]
    benign = Verdict(
        incident_id=opened.incident_id, key_id=KEY, verdict="benign", by="ana", at=workday(8, 12)
    )
    whole_log = renumbered([*log, control("key", record), *rest[:-10]])
    whole_log += renumbered([*whole_log, control("verdict", benign), *rest[-10:]])[len(whole_log) :]
    plain = run(whole_log, partition())
    crashed = with_crashes(whole_log, dict.fromkeys(range(5, len(whole_log), 9), 3))
    assert once(crashed.incidents) == incident_lines(plain.incidents)
    assert results(crashed)[1:] == results(plain)[1:]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    together=st.integers(1, 6),
)
def test_random_traffic_is_packed_grouped_and_restored_without_a_trace(
    seed: int, sizes: list[int], together: int
) -> None:
    log = cut(random_traffic(seed), sizes)
    plain = run(log, partition())
    assert everything(run(log, partition(), together=together)) == everything(plain)
    crashes = dict.fromkeys(range(1 + seed % 7, len(log), 5), seed % 4)
    crashed = with_crashes(log, crashes, together)
    assert once(crashed.incidents) == incident_lines(plain.incidents)
    assert results(crashed)[1:] == results(plain)[1:]


def random_traffic(seed: int) -> list[UsageEvent]:
    """Any kind of traffic of three keys: gaps, crowds, errors, other models, all mixed up."""
    rng = random.Random(seed)  # noqa: S311 # repeatable, and no secret
    at, events = workday(0, 6.0), []
    for number in range(rng.randint(20, 250)):
        at += rng.choice((0.0, 1.0, 20.0, MINUTE, HOUR, DAY)) * rng.random()
        events.append(
            event(
                at - rng.choice((0.0, 0.0, 60.0, 290.0, 400.0)),
                event_id=f"e{rng.randint(0, number)}",
                key_id=f"key-{rng.randint(1, 3)}",
                client_ip=rng.choice(
                    (*HOME, "9.9.9.9, 10.0.0.1", "2a00:1450::1", "nonsense", None)
                ),
                model=rng.choice(("gpt-4o", "gpt-4o-mini", "nobody/knows", None)),
                status=rng.choice((200, 200, 200, 401, 404, 429, 500)),
                cost_usd=rng.choice((None, 0.0, 0.01, 40.0)),
                user_agent=rng.choice((None, "curl/8", "Mozilla/5.0 (X) AppleWebKit/5")),
                operation=rng.choice(("chat", "models.list")),
            )
        )
    return events
