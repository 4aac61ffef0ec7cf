"""A fleet is the same on every run, in order, labelled, and as wide as it says."""

from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache

import msgspec
import pytest

from pipeline.simulate import KINDS, FleetSettings, simulate
from pipeline.simulate.changes import CHANGES
from pipeline.simulate.fleet import Day
from schemas.fields import epoch
from schemas.usage_event import UsageEvent

SMALL = FleetSettings(keys=40, days=4, seed=7, attack_rate=0.9, change_rate=0.9, volume=0.1)


@cache
def fleet() -> tuple[tuple[Day, tuple[UsageEvent, ...]], ...]:
    return tuple((day, tuple(day.events)) for day in simulate(SMALL).days())


def test_the_same_settings_give_the_same_bytes() -> None:
    settings = FleetSettings(keys=15, days=2, seed=5, attack_rate=0.4, change_rate=0.9, volume=0.1)
    first = [(day, tuple(day.events)) for day in simulate(settings).days()]
    again = [(day, tuple(day.events)) for day in simulate(settings).days()]
    encode = msgspec.json.encode
    for (day, events), (second, same) in zip(first, again, strict=True):
        assert encode(events) == encode(same)
        assert encode(day.provider_usage) == encode(second.provider_usage)
        assert encode(day.labels) == encode(second.labels)


def test_another_seed_gives_another_fleet() -> None:
    settings = FleetSettings(keys=5, days=1, seed=8, volume=0.1)
    other = FleetSettings(keys=5, days=1, seed=9, volume=0.1)
    assert list(simulate(settings).events()) != list(simulate(other).events())


def test_events_are_in_order_unique_and_within_the_span() -> None:
    events = [event for _, events in fleet() for event in events]
    times = [epoch(event.occurred_at) for event in events]
    start, end = SMALL.span
    assert times == sorted(times)
    assert start <= times[0] <= times[-1] < end
    assert len({event.event_id for event in events}) == len(events)
    assert sum(day.count for day, _ in fleet()) == len(events)


def test_every_key_is_registered_and_no_event_tells_what_it_is() -> None:
    registered = {record.key_id for record in simulate(SMALL).registry()}
    for _, events in fleet():
        assert {event.key_id for event in events} <= registered
    names = {field.name for field in msgspec.structs.fields(UsageEvent)}
    assert not names & {"malicious", "label", "kind", "archetype"}


def test_an_attack_begins_and_ends_with_requests_of_its_key() -> None:
    times = defaultdict(set)
    for _, events in fleet():
        for event in events:
            times[event.key_id].add(event.occurred_at)
    labels = [label for day, _ in fleet() for label in day.labels]
    attacks = [label for label in labels if label.malicious and label.kind != "off_gateway"]
    assert attacks
    for label in attacks:
        near = {round(epoch(t), 3) for t in times[label.key_id] if not isinstance(t, float)}
        assert round(epoch(label.started_at), 3) in near
        assert label.malicious_spend is not None
        assert label.malicious_spend == sorted(label.malicious_spend)
        assert label.cause is not None


def test_every_kind_of_attack_and_both_strengths_occur() -> None:
    counts = Counter(
        (label.kind, label.strength)
        for day, _ in fleet()
        for label in day.labels
        if label.malicious
    )
    assert {kind for kind, _ in counts} <= set(KINDS)
    assert len({kind for kind, _ in counts}) >= len(KINDS) - 3
    assert {strength for _, strength in counts} == {"strong", "weak"}


def test_every_kind_of_benign_change_occurs() -> None:
    settings = FleetSettings(
        keys=150, days=9, seed=7, attack_rate=0.0, change_rate=1.0, volume=0.02
    )
    labels = [label for day in simulate(settings).days() for label in day.labels]
    kinds = {label.kind for label in labels}
    assert kinds == {*(change.kind for change in CHANGES), "rotation", "provider_outage"}
    assert kinds >= {"launch", "migration", "model_upgrade", "travel", "colleague"}
    assert kinds >= {"rerun", "lull", "growth", "retry_storm"}
    assert not any(label.malicious for label in labels)


def test_a_kind_that_does_not_exist_is_no_peace() -> None:
    with pytest.raises(ValueError, match="no kind of attack: nonsense; there are stolen_bulk, "):
        FleetSettings(kinds=("off_hours", "nonsense"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_can_be_had_alone(kind: str) -> None:
    settings = FleetSettings(
        keys=6, days=5, seed=3, attack_rate=1.0, change_rate=0.0, kinds=(kind,), volume=0.05
    )
    days = [(list(day.events), day) for day in simulate(settings).days()]
    labels = [label for _, day in days for label in day.labels]
    assert labels
    assert {label.kind for label in labels} == {kind}
    assert all(label.malicious for label in labels)


def test_off_gateway_use_shows_in_the_providers_figures_alone() -> None:
    settings = FleetSettings(
        keys=4, days=5, seed=3, attack_rate=1.0, change_rate=0.0, kinds=("off_gateway",), volume=0.1
    )
    billed: Counter[str | None] = Counter()
    used: Counter[str] = Counter()
    labels = []
    for day in simulate(settings).days():
        used.update(event.key_id for event in day.events if event.status == 200)
        for usage in day.provider_usage:
            billed[usage.key_id] += usage.requests or 0
        labels += day.labels
    assert labels
    for label in labels:
        assert billed[label.key_id] > used[label.key_id]
        assert label.visible_at is not None


def test_disorder_makes_events_late_and_double_but_loses_none() -> None:
    plain = FleetSettings(keys=10, days=2, seed=5, attack_rate=0, change_rate=0, volume=0.2)
    disordered = replace(plain, disorder=0.2)
    ordered = [event.event_id for event in simulate(plain).events()]
    shuffled = list(simulate(disordered).events())
    assert {e.event_id for e in shuffled} <= set(ordered)
    # Only what would have come after the end is missing.
    assert len(set(ordered) - {e.event_id for e in shuffled}) < 10
    assert len(shuffled) > len({e.event_id for e in shuffled})
    times = [epoch(event.occurred_at) for event in shuffled]
    assert times != sorted(times)


@pytest.mark.parametrize(
    "wrong", [{"keys": 0}, {"days": 0}, {"attack_rate": 1.5}, {"disorder": -0.1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        FleetSettings(**wrong)  # type: ignore[arg-type] # wrong on purpose
