"""An incident opens with the first request that its evidence is about, not with a window."""

from collections.abc import Iterable

import pytest

from schemas.fields import epoch
from schemas.incident import Incident
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
    control,
    event,
    in_time,
    messages,
    office,
    registered,
    run,
    thief,
    workday,
)
from tests.support.examples import listen

AT = workday(9, 10.4)
"""In the middle of an hour in which the owner works, too."""


def opened(*parts: Iterable[UsageEvent], record: KeyRecord | None = None) -> list[Incident]:
    """The incidents of a key with ten office days and something else, as they opened."""
    first = [registered(record, START)] if record else []
    told = run([*first, *messages(in_time(office(10), *parts), 1)]).incidents
    return [each for each in told if each.revision == 1 and epoch(each.detected_at) >= AT]


def near(at: float, count: int, seconds: float, cost: float) -> list[UsageEvent]:
    """A stranger in the owner's network, with the owner's client."""
    return burst(at, count, seconds=seconds, client_ip="84.112.77.7", cost_usd=cost)


def spent(events: Iterable[UsageEvent], since: float, incident: Incident) -> float:
    until = epoch(incident.detected_at) + 1e-3
    return sum(e.cost_usd or 0.0 for e in events if since <= epoch(e.occurred_at) <= until)


THEFTS: dict[str, list[UsageEvent]] = {
    "with another client and a dear model": thief(AT, 120),
    "with another client": thief(AT, 120, model="gpt-4o-mini"),
    "with the owner's client and model": thief(
        AT, 240, user_agent=OPENAI_CLIENT, model="gpt-4o-mini"
    ),
    "from a browser": thief(AT, 120, user_agent="Mozilla/5.0 (X11) Gecko/20100101 Firefox/128.0"),
    "in which all is refused": thief(AT, 120, status=403, cost_usd=0.0),
    "of a price that nobody knows": thief(AT, 120, model="mystery-405b", cost_usd=None),
}


@pytest.mark.parametrize("theft", THEFTS.values(), ids=THEFTS)
def test_a_theft_began_with_its_first_request(theft: list[UsageEvent]) -> None:
    (incident, *_) = opened(theft)
    assert epoch(incident.opened_at) == AT // MINUTE * MINUTE
    events = in_time(office(10), theft)
    assert incident.spend_usd == pytest.approx(spent(events, AT // MINUTE * MINUTE, incident))


BY_NOBODY_NEW: dict[str, list[UsageEvent]] = {
    "of no address": thief(AT, 120, client_ip=None),
    "from the owner's own machine": thief(AT, 120, client_ip=HOME[0]),
    "a loop of the owner's": burst(AT, 900, cost_usd=0.05),
}


@pytest.mark.parametrize("bulk", BY_NOBODY_NEW.values(), ids=BY_NOBODY_NEW)
def test_bulk_that_is_not_told_apart_began_at_most_five_minutes_before(
    bulk: list[UsageEvent],
) -> None:
    (incident, *_) = opened(bulk)
    assert "spend_spike" in {each.detector for each in incident.signals}
    assert 0 <= AT - epoch(incident.opened_at) <= 5 * MINUTE


GONE: dict[str, KeyRecord] = {
    "of the day": KeyRecord(key_id=KEY, daily_budget_usd=0.6),
    "of the month": KeyRecord(key_id=KEY, monthly_budget_usd=2.0),
}


@pytest.mark.parametrize("record", GONE.values(), ids=GONE)
def test_that_a_budget_is_gone_does_not_say_when_a_theft_began(record: KeyRecord) -> None:
    (incident,) = opened(thief(AT), record=record)
    assert "budget" in {each.detector for each in incident.signals}
    assert epoch(incident.opened_at) == AT // MINUTE * MINUTE


ALONE: dict[str, KeyRecord] = {
    "of the day": KeyRecord(key_id=KEY, daily_budget_usd=0.1),
    "of the month": KeyRecord(key_id=KEY, monthly_budget_usd=0.5),
}


@pytest.mark.parametrize("record", ALONE.values(), ids=ALONE)
def test_a_budget_alone_is_about_the_day_on_which_it_went(record: KeyRecord) -> None:
    log = [registered(record, START), *messages(office(10), 1)]
    told = [each for each in run(log).incidents if each.revision == 1]
    assert {each.cause for each in told} == {"budget"}
    for each in told:
        day = epoch(each.detected_at) // DAY * DAY
        first = next(at for e in office(10) if (at := epoch(e.occurred_at)) >= day)
        assert 0 <= first - epoch(each.opened_at) < HOUR
        assert each.spend_usd == pytest.approx(spent(office(10), day, each))


@pytest.mark.parametrize("hours_before", [1.6, 4.6, 7.7], ids=["by day", "early", "at night"])
@pytest.mark.parametrize("cost", [0.001, 0.0], ids=["cheap", "free"])
def test_a_stranger_who_kept_quiet_for_hours_began_with_the_first_request(
    cost: float, hours_before: float
) -> None:
    at = AT - hours_before * HOUR
    theft = [*near(at, 20, HOUR, cost), *near(AT, 60, 5 * MINUTE, 0.4)]
    (incident, *_) = opened(theft)
    assert epoch(incident.detected_at) >= AT
    assert epoch(incident.opened_at) == at // MINUTE * MINUTE
    told = spent(in_time(office(10), theft), epoch(incident.opened_at), incident)
    assert incident.spend_usd == pytest.approx(told, abs=0.01)  # half of the owner's usual hour


def test_a_dead_key_was_used_for_as_long_as_is_told() -> None:
    """It is looked at when windows close."""
    died = workday(9, 9.5)
    dead = KeyRecord(key_id=KEY, status="revoked", status_changed_at=died)
    used = burst(workday(9, 9), 70, seconds=70 * MINUTE)
    log = [control("key", dead, at=died), *messages([*office(9), *used], 1)]
    (incident, *_) = run(log).incidents
    assert incident.signals[0].evidence["requests"] == 3
    assert epoch(incident.detected_at) - epoch(incident.opened_at) == 2 * MINUTE


ODD: dict[str, list[UsageEvent]] = {
    "model_mix": burst(AT, 30, model="o1-pro", cost_usd=0.5),
    "new_client": burst(AT, 30, client_ip=HOME[0], user_agent="curl/8.1"),
    "error_storm": burst(AT, 40, status=400),
    "probing": [event(AT + n, status=404, model=f"m{n}", client_ip=ABROAD) for n in range(9)],
    "token_stuffing": burst(AT, 5, input_tokens=90_000, cost_usd=0.3),
    "exposed_key": burst(AT, 30, user_agent="Mozilla/5.0 (X11) Gecko/20100101 Firefox/128.0"),
    "newcomer_rush": near(AT, 60, 10 * MINUTE, 0.4),
    "spend_spike": near(AT, 60, 10 * MINUTE, 0.4),
}


@pytest.mark.parametrize("detector", ODD)
def test_what_is_odd_is_told_from_the_rest_of_its_window(detector: str) -> None:
    heard = listen(messages(in_time(office(10), ODD[detector]), 1))
    began = [each.began for each in heard if each.detector == detector and each.finding]
    assert began[0] == AT // MINUTE * MINUTE
