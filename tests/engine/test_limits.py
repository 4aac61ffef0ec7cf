"""What is caught and what is not when traffic is odd, or an attacker knows how keys are judged."""

import random
from dataclasses import replace

import msgspec
import pytest

from detectors.calibration import SHIPPED
from detectors.contract import Detector, Finding, KeyView
from pipeline.engine import PartitionFold
from schemas.fields import epoch
from schemas.incident import Cause, Incident
from schemas.usage_event import UsageEvent
from tests.support.events import (
    ABROAD,
    DAY,
    HOUR,
    KEY,
    MINUTE,
    START,
    burst,
    event,
    in_time,
    messages,
    office,
    rules,
    run,
    single,
    thief,
    workday,
)

HONEST_DAYS = 12
NOW = workday(14, 10)
"""A Monday at ten, after two honest weeks."""
NEIGHBOUR = "84.113.99.7"
"""Another line in the owner's country."""
OWN = "84.112.20.5"


def after_honest_days(*parts: list[UsageEvent]) -> list[Incident]:
    """Incidents of an office key of two weeks to which something happens."""
    return run(messages(in_time(office(HONEST_DAYS), *parts))).incidents


def pages(incidents: list[Incident]) -> list[Incident]:
    return [each for each in incidents if each.severity == "page"]


def paced(start: float, hours: float, per_hour: float, **changes: object) -> list[UsageEvent]:
    """Requests with the owner's client and model, as somebody who copies it would send them."""
    rng = random.Random(7)  # noqa: S311 # repeatable, and no secret
    times = sorted(rng.uniform(0, hours * HOUR) for _ in range(round(hours * per_hour)))
    return [event(start + each, **changes) for each in times]


# Odd traffic


def test_a_key_with_one_event_wakes_nobody() -> None:
    assert not run([single(event(NOW, client_ip=ABROAD, cost_usd=0.4))]).incidents
    assert not pages(run([single(event(NOW, client_ip=ABROAD, cost_usd=50.0))]).incidents)


def test_a_key_with_endless_sources_is_usual_and_wakes_nobody() -> None:
    """Not caught: one more stranger among thousands. Caught: its bulk."""
    rng = random.Random(3)  # noqa: S311 # repeatable, and no secret
    crowd = [
        event(
            START + number * 40.0,
            client_ip=f"{rng.randint(60, 99)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.1",
        )
        for number in range(12_000)
    ]
    end = START + 12_000 * 40.0
    assert not pages(run(messages([*crowd, event(end, client_ip=ABROAD)], 500)).incidents)
    assert pages(run(messages([*crowd, *thief(end, 400)], 500)).incidents)


def test_a_clock_that_jumps_ahead_and_back_wakes_nobody() -> None:
    jump = burst(NOW, 20) + burst(NOW + 3 * DAY, 3) + burst(NOW + HOUR, 20)
    log = messages([*office(HONEST_DAYS), *jump], 1)
    outcome = run(log)
    assert not pages(outcome.incidents)
    assert outcome.fold.counts["late"] == 20


def test_everything_at_one_instant_is_a_spike_like_any_other() -> None:
    instant = [event(NOW, event_id=f"at-once-{number}", cost_usd=0.05) for number in range(400)]
    found = pages(after_honest_days(instant))
    assert {each.cause for each in found} <= {"runaway", "growth", "budget"}
    few = [event(NOW, event_id=f"at-once-{number}") for number in range(12)]
    assert found
    assert not after_honest_days(few)


# Attackers who know how keys are judged


def test_who_copies_client_and_country_is_caught_by_the_bulk() -> None:
    bulk = paced(NOW, 2.0, 400.0, client_ip=NEIGHBOUR, cost_usd=0.03)
    assert pages(after_honest_days(bulk))


def test_who_copies_client_and_country_and_takes_little_is_not_caught() -> None:
    little = paced(NOW, 6.0, 3.0, client_ip=NEIGHBOUR)
    assert not pages(after_honest_days(little))


def stranger(days: range) -> list[UsageEvent]:
    """A few requests a day from Brazil, with a client of their own."""
    client = "Go-http-client/2.0"
    return [
        each
        for day in days
        for each in paced(workday(day, 10), 6.0, 1.0, client_ip=ABROAD, user_agent=client)
    ]


def test_who_trains_the_baseline_from_a_strange_place_is_told_of_at_once() -> None:
    """And the theft that it was to prepare is told of as a leak all the same."""
    incidents = after_honest_days(stranger(range(3, 12)), thief(NOW, 200))
    assert epoch(pages(incidents)[0].detected_at) < workday(4, 0)
    assert {each.cause for each in pages(incidents) if each.spend_usd > 10} == {"leaked"}


def test_who_trains_it_with_the_owners_client_is_a_ticket_and_its_bulk_a_page() -> None:
    """Not caught: that the theft comes from a stranger, once nobody minded the ticket."""
    few = [
        each for day in range(3, 12) for each in paced(workday(day, 10), 6.0, 1.0, client_ip=ABROAD)
    ]
    incidents = after_honest_days(few, burst(NOW, 600, cost_usd=0.02, client_ip=ABROAD))
    first = incidents[0]
    assert (first.severity, first.cause) == ("ticket", "leaked")
    assert epoch(first.detected_at) < workday(4, 0)
    assert pages(incidents)
    assert all(epoch(each.detected_at) > NOW for each in pages(incidents))


def test_who_was_there_from_the_first_hour_belongs_to_the_key() -> None:
    """Not caught: that it is a stranger. Caught: its bulk, as bulk of the key's own."""
    incidents = after_honest_days(stranger(range(12)), thief(NOW, 200))
    assert {each.cause for each in pages(incidents)} == {"runaway"}


def test_who_doubles_the_owners_use_within_days_is_a_ticket_not_a_page() -> None:
    """Not paged: growth by a half each day from the owner's own addresses looks like success."""
    ramp = [
        each
        for day in range(5)
        for each in paced(workday(14 + day, 9), 8.0, 4.0 * 1.5**day, client_ip=OWN)
    ]
    assert not pages(after_honest_days(ramp))


class Doubtful(Detector):
    """All but sure of a page, while money goes."""

    name = question = catches = misses = advice = "doubtful"

    def __init__(self, cause: Cause) -> None:
        self.speaks_for: dict[Cause, float] = {cause: 1.0}

    def judge(self, key: KeyView) -> Finding | None:
        if key.excess_usd_per_hour < 100.0:
            return None
        return Finding(SHIPPED.page_nats - 0.5, "Dear.", key.now, causes=self.speaks_for)


@pytest.mark.parametrize(("cause", "paged"), [("runaway", True), ("budget", False)])
def test_money_makes_a_page_easier_but_not_one_about_money(cause: Cause, *, paged: bool) -> None:
    log = in_time(office(HONEST_DAYS), burst(NOW, 100, cost_usd=1.0))
    judged = replace(rules(), detectors=(Doubtful(cause),))
    found = run(messages(log), PartitionFold(judged)).incidents
    assert found
    assert bool(pages(found)) is paged


def test_noise_on_other_keys_hides_nothing() -> None:
    """The page budget is one of thresholds, not of a purse that noise could empty."""
    victim = in_time(office(HONEST_DAYS), thief(NOW, 120))
    noise = [
        msgspec.structs.replace(each, key_id=f"noise-{number}", event_id=f"{number}-{place}")
        for number in range(20)
        for place, each in enumerate(in_time(office(5), thief(NOW - HOUR + MINUTE * number, 60)))
    ]
    alone = run(messages(victim)).incidents
    among = run(messages(in_time(victim, noise), 200)).incidents
    assert pages(alone)
    assert [each for each in among if each.key_id == KEY] == alone


def test_a_job_that_runs_each_night_has_a_first_night_and_becomes_usual() -> None:
    nights = [
        burst(workday(day, 2), 2_250, seconds=25 * MINUTE, input_tokens=700, cost_usd=1e-4)
        for day in range(9)
    ]
    incidents = run(messages(in_time(*nights))).incidents
    assert not pages(incidents)
    assert not [each for each in incidents if epoch(each.opened_at) > workday(4, 0)]
