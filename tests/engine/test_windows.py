"""Window totals equal an independent count, to the nano-dollar."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine.bookkeeping import REBUILD_KEY, Rebuild
from pipeline.message import Message
from schemas.fields import epoch
from schemas.spend_window import SECONDS, SpendWindow
from schemas.usage_event import UsageEvent
from tests.support.events import KEY, MINUTE, event, messages, packed, run, workday

LATENESS = 300.0


@dataclass
class Count:
    """A window, counted with nothing but Python's own numbers."""

    dollars: Fraction = Fraction(0)
    requests: int = 0
    errors: int = 0
    tokens: tuple[int, int] = (0, 0)
    sources: set[str] = field(default_factory=set)
    unpriced: int = 0

    def add(self, each: UsageEvent) -> None:
        self.dollars += round(Fraction(each.cost_usd or 0.0) * 10**9)
        self.requests += 1
        self.errors += each.status >= 400
        self.tokens = (self.tokens[0] + each.input_tokens, self.tokens[1] + each.output_tokens)
        self.unpriced += each.cost_usd is None
        if each.client_ip is not None:
            self.sources.add(each.client_ip)


def counted(events: Sequence[UsageEvent], *, late_too: bool) -> dict[tuple[str, str, float], Count]:
    """Every window, by (key, granularity, start), with or without what came too late."""
    windows: dict[tuple[str, str, float], Count] = defaultdict(Count)
    clocks: dict[str, float] = defaultdict(float)
    seen: set[tuple[str, str]] = set()
    for each in events:
        at, key_id = epoch(each.occurred_at), each.key_id
        late = at < clocks[key_id] - LATENESS
        if not late and (key_id, each.event_id) in seen:
            continue
        seen.add((key_id, each.event_id))
        clocks[key_id] = max(clocks[key_id], at)
        if late_too or not late:
            for granularity, seconds in SECONDS.items():
                windows[key_id, granularity, at // seconds * seconds].add(each)
    return windows


def traffic(seed: int, behind: Sequence[float], count: int = 250) -> list[UsageEvent]:
    """Two keys with awkward prices, duplicates within the lateness, disorder and late events."""
    rng = random.Random(seed)  # noqa: S311 # repeatable, and no secret
    at, events = workday(0, 22.9), list[UsageEvent]()
    for number in range(count):
        at += rng.choice((0.0, 0.5, 11.0, 70.0, 900.0)) * rng.random()
        events.append(
            event(
                at - rng.choice(behind),
                event_id=f"e{number}",
                key_id=rng.choice(("a", "b")),
                model=rng.choice(("gpt-4o", "nobody/knows")),
                cost_usd=rng.choice((0.1, 0.2, 1e-9, 0.123456789, 99.99, 0.0)),
                status=rng.choice((200, 200, 404)),
                client_ip=f"84.112.{rng.randint(0, 1)}.{rng.randint(1, 60)}",
                input_tokens=rng.randint(0, 10**6),
            )
        )
        if rng.random() < 0.1:
            events.append(events[rng.randint(max(0, number - 3), number)])
    return without_late_duplicates(events)


def without_late_duplicates(events: list[UsageEvent]) -> list[UsageEvent]:
    """Beyond the lateness nobody knows an id any more; such duplicates have a test of their own."""
    clocks: dict[str, float] = defaultdict(float)
    seen: set[tuple[str, str]] = set()
    kept = []
    for each in events:
        at, identity = epoch(each.occurred_at), (each.key_id, each.event_id)
        if identity in seen and at < clocks[each.key_id] - LATENESS + MINUTE:
            continue
        clocks[each.key_id] = max(clocks[each.key_id], at)
        seen.add(identity)
        kept.append(each)
    return kept


def shown(row: SpendWindow) -> tuple[object, ...]:
    return (
        round(row.spend_usd * 10**9),
        row.requests,
        row.errors,
        row.input_tokens,
        row.output_tokens,
        row.distinct_sources,
        row.unpriced_requests,
    )


def expected(count: Count) -> tuple[object, ...]:
    return (
        count.dollars,
        count.requests,
        count.errors,
        *count.tokens,
        len(count.sources),
        count.unpriced,
    )


def in_parts(events: Sequence[UsageEvent], size: int) -> list[Message]:
    return [
        packed(events[first : first + size], number, appended_at=workday(30, 0))
        for number, first in enumerate(range(0, len(events), size))
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 80), every=st.integers(0, 4))
def test_totals_equal_an_independent_count(seed: int, size: int, every: int) -> None:
    events = traffic(seed, behind=(0.0, 0.0, 0.0, 40.0, 299.0))
    rows = run(in_parts(events, size), checkpoint_every=every).rows
    counts = counted(events, late_too=False)
    assert {place: shown(row) for place, row in rows.items()} == {
        place: expected(count) for place, count in counts.items()
    }


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 80), every=st.integers(0, 4))
def test_what_is_late_is_added_to_windows_that_are_still_open(
    seed: int, size: int, every: int
) -> None:
    events = traffic(seed, behind=(0.0, 0.0, 299.0, 301.0, 1200.0, 2000.0, 9000.0))
    outcome = run(in_parts(events, size), checkpoint_every=every)
    least, most = (counted(events, late_too=late_too) for late_too in (False, True))
    assert set(least) <= set(outcome.rows) <= set(most)
    for place, row in outcome.rows.items():
        low = least[place].requests if place in least else 0
        assert low <= row.requests <= most[place].requests
    days = {place: row.requests for place, row in outcome.rows.items() if place[1] == "1d"}
    newest = max(start for _, _, start in days)
    assert all(days[place] == most[place].requests for place in days if place[2] == newest)


def test_twenty_thousand_tenths_of_a_cent_are_twenty_dollars() -> None:
    events = [event(workday(0, 9) + n * 0.15, cost_usd=0.001) for n in range(20_000)]
    rows = run(messages(events, 5_000)).rows
    assert [row.spend_usd for row in rows.values() if row.granularity == "1d"] == [20.0]
    assert sum(row.requests for row in rows.values() if row.granularity == "1m") == 20_000


def test_sources_are_counted_exactly_below_128_also_with_many_models() -> None:
    events = [
        event(
            workday(0, 9) + source * 0.4 + model * 0.001,
            client_ip=f"84.112.{source // 100}.{source % 100 + 1}",
            model=f"model-{model}",
        )
        for source in range(127)
        for model in range(25)
    ]
    rows = run(messages(events, 40)).rows
    assert {row.distinct_sources for row in rows.values()} == {127}


def test_many_sources_are_estimated() -> None:
    events = [
        event(workday(0, 9) + n * 0.01, client_ip=f"84.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")
        for n in range(5_000)
    ]
    rows = run(messages(events, 500)).rows
    (day,) = [row for row in rows.values() if row.granularity == "1d"]
    assert day.requests == 5_000
    assert day.distinct_sources >= 128


@pytest.mark.parametrize("every", [0, 1])
@pytest.mark.parametrize("count", [500, 20_000])
def test_a_burst_of_sources_is_estimated_as_well_as_others(count: int, every: int) -> None:
    """Also of those that are too many to be kept apart."""
    events = [
        event(
            workday(0, 9) + number * 55 / count,
            client_ip=f"84.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        )
        for number in range(count)
    ]
    rows = run(messages(events, 1_000), checkpoint_every=every).rows
    assert len(rows) == 3
    for row in rows.values():
        assert row.distinct_sources == pytest.approx(count, rel=0.3)


def test_versions_rise_with_the_total_and_a_later_epoch_wins() -> None:
    events = [event(workday(0, 9) + n) for n in range(30)]
    versions: list[int] = []
    outcome = run([])
    for number, each in enumerate(events):
        outcome.fold.fold(packed([each], number))
        rows = outcome.fold.checkpoint().windows
        versions += [row.version for row in rows if row.granularity == "1h"]
    assert versions == sorted(set(versions))
    assert versions[-1] == 30
    anew = run([]).fold
    anew.restore(REBUILD_KEY, msgspec.json.encode(Rebuild(1)))
    anew.fold(packed(events[:1], 0))
    assert all(row.version > versions[-1] for row in anew.checkpoint().windows)


def test_what_the_last_hour_cost_is_known_after_it_closed() -> None:
    hour = int(workday(1, 10) // 3600)
    spent = [event(3600.0 * hour + at, cost_usd=0.5) for at in (60.0, 1800.0, 3500.0)]
    for minutes in (1, 30, 59):  # open still, and closed
        later = event(3600.0 * (hour + 1) + 60.0 * minutes, cost_usd=0.25)
        state = run(messages([*spent, later], 1)).fold.state_of(KEY)
        assert state is not None
        found = [state.windows.spend_of(each) for each in (hour - 1, hour, hour + 1)]
        assert found[:2] == [0, 1_500_000_000]
        assert (hour in state.windows.hours) is (minutes == 1)


def test_only_what_changed_is_written_again() -> None:
    outcome = run([packed([event(workday(0, 9)), event(workday(0, 9), key_id="other")])])
    assert not outcome.fold.checkpoint().windows
    assert not outcome.fold.checkpoint().states
    outcome.fold.fold(packed([event(workday(0, 9) + 1, key_id="other")], 1))
    saved = outcome.fold.checkpoint()
    assert [key_id for key_id, _ in saved.states] == ["other"]
    assert {(row.key_id, row.granularity) for row in saved.windows} == {
        ("other", "1m"),
        ("other", "1h"),
        ("other", "1d"),
    }


def test_a_window_that_closes_between_checkpoints_is_written_once_and_whole() -> None:
    events = [event(workday(0, 9) + n * 10 * MINUTE) for n in range(60)]
    rows = run(messages(events, 60)).rows
    assert sum(row.requests for row in rows.values() if row.granularity == "1m") == 60
    assert {row.key_id for row in rows.values()} == {KEY}
