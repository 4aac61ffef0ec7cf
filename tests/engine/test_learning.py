"""What a key's own log teaches, and what it must not: strangers, silence, and changes of clock."""

import random

import pytest

from detectors.baselines.history import History
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.usage_event import UsageEvent
from tests.support.events import (
    ABROAD,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    START,
    Outcome,
    burst,
    event,
    in_time,
    messages,
    registered,
    run,
    thief,
)

NEIGHBOUR = "84.113.99.7"
"""Another line in the owner's country."""


def steady(days: int, per_hour: int, *, hours: range = range(24)) -> list[UsageEvent]:
    """As many requests in each of some hours of every day."""
    rng = random.Random(1)  # noqa: S311 # repeatable, and no secret
    return [
        event(START + day * DAY + hour * HOUR + second)
        for day in range(days)
        for hour in hours
        for second in sorted(rng.uniform(0, HOUR) for _ in range(per_hour))
    ]


def history_of(outcome: Outcome) -> History:
    state = outcome.fold.state_of(KEY)
    assert state is not None
    return state.history


@pytest.mark.parametrize("status", [401, 200])
def test_a_place_is_not_made_the_keys_own_by_a_few_requests_that_say_nothing(status: int) -> None:
    """Each too little for anybody to be told of; a week later a theft comes from there."""
    tries = [
        event(
            START + 12 * DAY + number * 9 * HOUR,
            client_ip=ABROAD,
            user_agent="curl/8.5.0",
            status=status,
            cost_usd=0.0,
            input_tokens=10 if status == 200 else 0,
            output_tokens=5 if status == 200 else 0,
        )
        for number in range(4)
    ]
    at = START + 15 * DAY
    theft = thief(at, 200, user_agent="curl/8.5.0", model="gpt-4o-mini", cost_usd=0.01)
    pages = run(messages(in_time(steady(18, 30), tries, theft))).pages()
    assert pages
    assert pages[0].cause == "leaked"
    assert epoch(pages[0].detected_at) < at + 4 * HOUR


def test_hours_under_an_incident_are_not_learnt_as_idle() -> None:
    theft = thief(START + 4 * DAY + 10 * HOUR)
    outcome = run(messages(in_time(steady(8, 60), theft), 200))
    assert outcome.pages()
    volume = history_of(outcome).volume
    assert volume.expected(int(START // 3600) + 13, None)[0] == pytest.approx(60, rel=0.02)


def test_what_began_before_the_clock_struck_is_not_learnt_either() -> None:
    """A loop of the owner's own pages just after ten: the hour before is still to be learnt."""
    at = START + 10 * DAY + 10 * HOUR - 2 * MINUTE
    loop = burst(at, 1200, seconds=HOUR, cost_usd=0.02)
    outcome = run(messages(in_time(steady(11, 60), loop), 20))
    assert 0 < epoch(outcome.pages()[0].detected_at) - at < 10 * MINUTE
    assert history_of(outcome).volume.records.requests_1h <= 61


def test_a_new_time_zone_moves_what_is_known() -> None:
    """An entry is corrected: the owner works as ever, and at no unusual hour."""
    log = steady(16, 40, hours=range(13, 22))
    now = START + 12 * DAY
    before = [each for each in log if epoch(each.occurred_at) < now]
    after = [each for each in log if epoch(each.occurred_at) >= now]
    entries = [
        registered(KeyRecord(key_id=KEY, timezone=zone), at)
        for zone, at in (("Europe/Berlin", START), ("America/New_York", now))
    ]
    log_of_both = [entries[0], *messages(before), entries[1], *messages(after)]
    outcome = run(log_of_both)
    assert not outcome.incidents
    volume = history_of(outcome).volume
    hour = int((START + 15 * DAY) // 3600) + 14
    assert volume.activity(hour, "America/New_York") > 0.9
    assert volume.activity(hour + 10, "America/New_York") < 0.1


@pytest.mark.parametrize("minute", [20, 57])
@pytest.mark.parametrize("cost_usd", [1.0, 3.0])
def test_one_dear_request_is_one_request(minute: int, cost_usd: float) -> None:
    """However many cheap ones share its minute, and whatever the clock is about to strike."""
    own = steady(7, 360)
    dear = event(START + 5 * DAY + 10 * HOUR + minute * MINUTE + 31, cost_usd=cost_usd)
    assert not told(in_time(own, [dear]))


def told(log: list[UsageEvent]) -> list[Incident]:
    incidents = run(messages(log, 500)).incidents
    return [each for each in incidents if each.severity in {"ticket", "page"}]


def test_a_strangers_longest_prompt_is_no_measure_of_the_keys_own() -> None:
    long = event(START + 5 * DAY + 10 * HOUR + 31, client_ip=NEIGHBOUR, input_tokens=180_000)
    history = history_of(run(messages(in_time(steady(6, 20), [long]))))
    assert history.longest < 2_000
    assert history.prompt.usual == pytest.approx(900, rel=0.01)
