"""Whatever a key does, its state stays small enough to be stored."""

import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import pytest
from pydantic import ValidationError

from pipeline.config import Detection, Kafka
from pipeline.engine import PartitionFold
from pipeline.engine.state import encode_state
from pipeline.message import Message
from pipeline.workers.connection import REQUEST_BYTES_MAX
from pipeline.workers.topic_settings import wanted_settings
from schemas.key_record import KeyRecord
from schemas.provider_usage import ProviderUsage
from schemas.topics import DETECT_STATE, MESSAGE_BYTES_MAX
from schemas.usage_event import UsageEvent
from tests.support.events import (
    KEY,
    MINUTE,
    control,
    event,
    messages,
    office,
    packed,
    rules,
    run,
    workday,
)

NOON = workday(1, 12)
STATE_BYTES_MAX = MESSAGE_BYTES_MAX
"""A state must fit into one message of the state topic …"""
OVERHEAD_BYTES = 4_096
"""… with its key and what Kafka adds."""
LATENESS_MAX = 600.0
TYPICAL_BYTES_MAX = 4096
DIFFERENT = 15_000
"""Far above every limit: of slices (256), sources (128), newcomers, facets."""


def address(number: int) -> str:
    return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}:1234:5678:9abc:def0"


def text(number: int) -> str:
    return f"{number:08d}-" + "é" * 100


FLOODS: dict[str, Callable[[int], dict[str, object]]] = {
    "sources": lambda n: {"client_ip": address(n)},
    "user agents": lambda n: {"user_agent": f"agent{n}/tool{n}"},
    "models": lambda n: {"model": text(n)},
    "operations": lambda n: {"operation": text(n)},
    "end users": lambda n: {"end_user": text(n)},
    "event ids": lambda _: {},
    "everything at once": lambda n: {
        "client_ip": address(n),
        "user_agent": f"agent-{n}/tool-{n}",
        "model": text(n),
        "operation": text(n),
        "status": 200 + n % 400,
    },
}


def flood(
    of: Callable[[int], dict[str, object]], count: int, seconds: float
) -> Iterator[UsageEvent]:
    for number in range(count):
        at = NOON + number * seconds / count
        yield event(at, **({"event_id": f"{number:08d}-{'x' * 100}"} | of(number)))


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_minutes_of_more_than_a_quarter_of_an_hour_ago_keep_their_totals_only(step: int) -> None:
    fold = PartitionFold(rules())
    for number in range(0, 120, step):
        fold.fold(packed([event(NOON + number * MINUTE)], number))
        state = fold.state_of(KEY)
        assert state is not None
        old, minutes = state.minute - 16, state.windows.minutes
        assert not any(
            window.slices for each, window in minutes.items() if each <= old - state.minute % 5
        )
        assert all(window.slices for each, window in minutes.items() if each > old)
    assert min(minutes) < old - 5


def stored(log: list[Message], fold: PartitionFold | None = None) -> int:
    """Bytes of the stored state of the key after a log."""
    state = run(log, fold).states[KEY]
    assert state is not None
    assert msgspec.msgpack.decode(state)
    return len(state)


@pytest.mark.parametrize("of", FLOODS.values(), ids=FLOODS)
def test_many_different_things_in_a_minute(
    of: Callable[[int], dict[str, object]],
) -> None:
    assert stored(messages(list(flood(of, DIFFERENT, 59.0)), 2_000)) <= STATE_BYTES_MAX


def test_forty_minutes_of_everything_at_once() -> None:
    """Every minute new sources, clients, models and operations, more than a minute keeps apart."""
    everything = list(flood(FLOODS["everything at once"], 40 * 300, 40 * MINUTE))
    assert stored(messages(everything, 300)) <= STATE_BYTES_MAX


def test_the_state_topic_takes_the_largest_state() -> None:
    taken = int(wanted_settings(Kafka(), DETECT_STATE)["max.message.bytes"])
    assert min(taken, REQUEST_BYTES_MAX) >= STATE_BYTES_MAX + OVERHEAD_BYTES


def test_no_lateness_is_longer_than_states_are_small_for() -> None:
    Detection(lateness_seconds=LATENESS_MAX)
    with pytest.raises(ValidationError):
        Detection(lateness_seconds=LATENESS_MAX + 1)


def longest(number: int) -> dict[str, object]:
    """A request whose slice, and whose numbers, take the most bytes."""
    emoji = "".join(chr(0x1F300 + (number >> 8 * digit & 0xFF)) for digit in range(3))
    return {
        "client_ip": address(number),
        "user_agent": f"{'a' * 31}/{'b' * 21} 1{number:015d}",
        "model": (emoji * 22)[:64],
        "operation": (emoji * 22)[:64],
        "end_user": text(number),
        "input_tokens": 10**9 - number,
        "output_tokens": 10**9 - number,
        "cached_input_tokens": 1,
        "cost_usd": 99_999.0,
    }


@pytest.mark.parametrize(
    ("back", "different", "usual"),
    [(60.0, 10**6, False), (299.0, 10**6, False), (LATENESS_MAX - 1.0, 1_300, True)],
)
def test_requests_that_are_dated_by_when_they_began(
    back: float, different: int, *, usual: bool
) -> None:
    """Minutes alternate, of which each may hold slices: 120 a second for ten minutes.

    Args:
        back: how long before they are told of requests may have begun, in seconds.
        different: how many slices there are.
        usual: whether so much is usual for the key, so that nothing has it looked at.
    """
    rng = random.Random(3)  # noqa: S311 # repeatable, and no secret
    fold = PartitionFold(replace(rules(), lateness_seconds=max(300.0, back + 1.0)))
    fold.fold(packed([event(NOON)]))
    state = fold.state_of(KEY)
    assert state is not None
    for step in range(120):
        if usual:
            state.gate_requests = state.usual_requests = state.gate_nanos = 2**60
            state.usual_nanos = state.novel_minute = 2**60
        numbers = [rng.randrange(different) for _ in range(600)]
        events = [
            event(
                NOON + step * 5 + place / 120 - rng.random() * back,
                event_id=f"{step}-{place}",
                **longest(number),
            )
            for place, number in enumerate(numbers)
        ]
        fold.fold(packed(events, step + 1))
        if step % 4 == 0:
            size = len(encode_state(state))
            assert size <= STATE_BYTES_MAX


def test_ids_of_a_busy_key() -> None:
    """Full minutes of ids as far back as the lateness reaches."""
    ids = list(flood(FLOODS["event ids"], 40_000, 7 * MINUTE))
    assert stored(messages(ids, 2_000)) <= STATE_BYTES_MAX


def test_a_registry_entry_of_any_length() -> None:
    record = KeyRecord(key_id=KEY, alias="a" * 10**6, tags=["t" * 1_000] * 1_000)
    outcome = run([control("key", record), packed([event(NOON)], 1)])
    assert len(outcome.states.get(KEY) or b"") <= STATE_BYTES_MAX


def test_bills_of_any_number_and_length() -> None:
    def bill(number: int, **changes: object) -> ProviderUsage:
        whole = ProviderUsage(
            provider="p",
            key_id=KEY,
            model=f"model-{number}-{'m' * 300}",
            window_start=NOON,
            window_end=NOON + 3600,
            cost_usd=1.0,
            observed_at=NOON + 7200,
        )
        return msgspec.structs.replace(whole, **changes)

    log = [control("provider-usage", bill(number), number) for number in range(4_000)]
    assert stored([packed([event(NOON)]), *log]) <= STATE_BYTES_MAX


def test_a_bill_for_all_of_time_is_not_added_up_hour_by_hour() -> None:
    eternity = ProviderUsage(
        provider="p",
        key_id=KEY,
        window_start=NOON + 3600,
        window_end=250_000_000_000.0,
        cost_usd=1.0,
        observed_at=NOON,
    )
    run([packed([event(NOON)]), control("provider-usage", eternity, 1)])


def test_money_beyond_64_bits_is_stored_all_the_same() -> None:
    """A hundred thousand dollars a request, a million requests a second."""
    outcome = run([packed([event(NOON)])])
    state = outcome.fold.state_of(KEY)
    assert state is not None
    state.windows.days[int(NOON // 86_400)].nanos = 2**70
    state.windows.closed = (1, 2**70)
    state.gate_nanos = state.usual_nanos = 2**70
    assert stored([packed([event(NOON + 1)], 1)], outcome.fold) <= STATE_BYTES_MAX


@pytest.mark.parametrize("zone", ["America", "a" * 5_000, "../../etc/passwd", "\x00", "Ü", ""])
def test_a_time_zone_that_is_none_stops_nothing(zone: str) -> None:
    log = [control("key", KeyRecord(key_id=KEY, timezone=zone)), *messages(office(2), 50)]
    assert run(log).fold.counts["folded"] == len(office(2))


def test_no_key_id_is_taken_for_the_stored_calibration() -> None:
    names = ["\x00calibration", "calibration", "calibration" + " " * 117, "\x00"]
    states = run([packed([event(NOON, key_id=name, event_id=name) for name in names])]).states
    again = PartitionFold(rules())
    for name, state in states.items():
        assert state is not None
        again.restore(name, state)
    assert len(again) == len(names)


def test_two_weeks_of_a_typical_key_fit_into_four_kilobytes() -> None:
    fleet = [office(key_id=f"key-{seed}", seed=seed) for seed in range(9)]
    states = [run(messages(events, 200)).states[events[0].key_id] for events in fleet]
    assert statistics.median(len(state or b"") for state in states) <= TYPICAL_BYTES_MAX
