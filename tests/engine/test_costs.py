"""What an incident says that it has cost, and what would be usual, against the events."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from detectors.baselines.history import History
from detectors.baselines.totals import Totals
from detectors.baselines.volume import Volume
from detectors.baselines.windows import HOURS_REMEMBERED, HourWindow, Windows
from detectors.contract import KeyView
from pipeline.engine.ageing import is_rising
from pipeline.engine.costs import spent_since, usual_between
from pipeline.engine.state import KeyState
from schemas.fields import epoch
from schemas.incident import UNPRICED, Incident
from schemas.key_record import KeyRecord
from schemas.usage_event import UsageEvent
from tests.support.events import (
    ABROAD,
    DAY,
    HOME,
    HOUR,
    KEY,
    MINUTE,
    OPENAI_CLIENT,
    START,
    burst,
    in_time,
    messages,
    office,
    registered,
    run,
    thief,
    workday,
)


def cost_between(events: Sequence[UsageEvent], since: float, until: float) -> float:
    return sum(each.cost_usd or 0.0 for each in events if since <= epoch(each.occurred_at) <= until)


def check(events: Sequence[UsageEvent], incident: Incident) -> None:
    told = cost_between(events, epoch(incident.opened_at), epoch(incident.detected_at) + 1e-3)
    assert incident.spend_usd == pytest.approx(told, abs=1e-6)


def test_an_incident_about_a_day_has_cost_what_the_day_did() -> None:
    record, events = KeyRecord(key_id=KEY, daily_budget_usd=0.05), in_time(office(14))
    found = run([registered(record, START), *messages(events, 1)]).incidents
    found = [each for each in found if each.status == "open"]
    assert found
    for each in found:
        assert each.spend_usd >= 0.05
        check(events, each)


def test_a_stranger_who_stayed_low_for_hours_has_cost_what_those_hours_did() -> None:
    at = workday(8, 9)
    slow = burst(
        at, 30, seconds=9 * HOUR, client_ip=ABROAD, user_agent=OPENAI_CLIENT, cost_usd=0.02
    )
    events = in_time(office(9), slow)
    found = [each for each in run(messages(events, 1)).incidents if each.status == "open"]
    assert any(epoch(each.detected_at) - epoch(each.opened_at) > HOUR for each in found)
    for each in found:
        check(events, each)


@pytest.mark.parametrize("hour", range(9, 17))
def test_an_incident_that_begins_within_a_minute_has_cost_what_came_since(hour: int) -> None:
    events = in_time(office(9))
    now = next(n for n, e in enumerate(events) if epoch(e.occurred_at) >= workday(8, hour))
    # From then on, the last quarter of an hour of all its use is held against the key.
    canary = registered(KeyRecord(key_id=KEY, canary=True), epoch(events[now].occurred_at))
    found = run([*messages(events[:now], 1), canary, *messages(events[now:], 1)]).incidents
    check(events, found[0])


def test_nothing_is_usual_at_hours_in_which_a_key_rests() -> None:
    night = workday(8, 2)
    theft = in_time(office(11), thief(night, 200, cost_usd=0.5))
    found = run(messages(theft, 1)).incidents
    resolved = next(each for each in found if each.status == "resolved")
    day = cost_between(office(8), workday(7, 0), workday(8, 0))
    lasted = epoch(resolved.detected_at) - epoch(resolved.opened_at)
    assert lasted > DAY
    assert day / 2 < resolved.baseline_usd < day * (1.0 + lasted / DAY)


def test_what_is_usual_adds_up_hour_by_hour() -> None:
    volume = Volume()
    for hour in range(24 * 400_000, 24 * 400_021):
        spend = Totals(requests=1, nanos=1_000 if hour % 24 == 9 else 0)
        volume.learn(hour, None, spend, spend)
    morning = (24 * 400_000 + 9) * HOUR
    whole = usual_between(volume, morning, morning + HOUR, None)
    assert whole > 0
    assert usual_between(volume, morning, morning + HOUR / 4, None) == pytest.approx(whole / 4)
    assert usual_between(volume, morning - HOUR, morning + 2 * HOUR, None) >= whole
    assert usual_between(volume, morning + HOUR, morning, None) == 0.0
    week = usual_between(volume, morning, morning + 7 * DAY, None)
    assert usual_between(volume, morning, morning + 7 * DAY * 10**6, None) == pytest.approx(
        10**6 * week, rel=1e-6
    )


def test_hours_are_remembered_for_a_day_idle_ones_too() -> None:
    windows = Windows()
    for hour in (100, 101, 104):
        windows.hours[hour] = HourWindow(nanos=hour)
        windows.close_hour(hour)
    windows.hours[105] = HourWindow(nanos=105)
    assert [windows.spend_of(hour) for hour in range(99, 107)] == [0, 100, 101, 0, 0, 104, 105, 0]
    at = KeyView(KEY, 106 * HOUR - 60, History(), windows)
    assert spent_since(at, 100 * HOUR) == (100 * HOUR, 410)
    assert spent_since(at, 0.0) == (100 * HOUR, 410)
    windows.hours[104 + HOURS_REMEMBERED] = HourWindow(nanos=7)
    windows.close_hour(104 + HOURS_REMEMBERED)
    later = KeyView(KEY, (104 + HOURS_REMEMBERED) * HOUR, History(), windows)
    since, spent = spent_since(later, 0.0)
    assert (since, spent) == (105 * HOUR, 7 + 105)


def test_a_later_revision_says_what_is_true_by_then() -> None:
    theft = thief(workday(8, 10), 900, cost_usd=0.05)
    told = run(messages(in_time(office(9), theft), 1)).pages()
    assert len(told) > 1
    for each in told:
        (source,) = [signal for signal in each.signals if signal.detector == "new_source"]
        since, until = epoch(each.opened_at) - 1, epoch(each.detected_at) + 1e-3
        assert source.evidence["requests"] == sum(
            since <= epoch(event.occurred_at) <= until for event in theft
        )


def test_an_incident_counts_what_has_no_price_from_its_first_request_on() -> None:
    at = workday(8, 10)
    theft = [replace(each, model="mystery-405b", cost_usd=None) for each in thief(at, 300)]
    before = [replace(theft[0], event_id="before", occurred_at=at - 20 * MINUTE)]
    before[0].client_ip, before[0].user_agent = HOME[0], OPENAI_CLIENT
    told = run(messages(in_time(office(9), before, theft), 1)).pages()
    assert len(told) > 1
    for each in told:
        assert each.lacks_prices
        since, until = epoch(each.opened_at) // MINUTE * MINUTE, epoch(each.detected_at) + 1e-3
        counted = max(signal.evidence[UNPRICED] for signal in each.signals)
        assert counted == sum(since <= epoch(event.occurred_at) <= until for event in theft)


@pytest.mark.parametrize(
    ("hour", "rising"),
    [
        (HourWindow(requests=100, nanos=10**9, input_tokens=10**5), False),
        (HourWindow(requests=120, nanos=10**9, input_tokens=10**5), True),
        (HourWindow(requests=100, nanos=2 * 10**9, input_tokens=10**5), True),
        (HourWindow(requests=100, nanos=10**9, input_tokens=10**6), True),
        (HourWindow(requests=1, nanos=2 * 10**9, input_tokens=10**6), False),
    ],
    ids=["as ever", "requests", "dollars", "long prompts", "one request"],
)
def test_an_hour_beyond_all_others_is_looked_at(hour: HourWindow, *, rising: bool) -> None:
    state = KeyState()
    records = state.history.volume.records
    records.requests_1h, records.nanos_1h = 100.0, 1e9
    state.history.prompt.record = 1000.0
    state.windows.hours[8] = hour
    assert is_rising(state, 8 * 60 + 30) is rising
    assert not is_rising(state, 9 * 60)
