"""What becomes of a key that paged when nobody answers: it is neither deaf nor a nuisance."""

from dataclasses import replace

import pytest

from detectors.calibration import SHIPPED
from detectors.contract import Detector, Finding, KeyView
from detectors.fusion import Conclusion
from pipeline.engine import PartitionFold
from pipeline.engine.calm import (
    LIVELY_NATS,
    UNANSWERED_CALM_SECONDS,
    is_forgiven,
    unanswered,
)
from pipeline.engine.stored import Calm, OpenIncident
from schemas.fields import epoch
from schemas.incident import Cause, Severity
from schemas.usage_event import UsageEvent
from tests.support.events import (
    ABROAD,
    DAY,
    HOUR,
    KEY,
    Outcome,
    burst,
    event,
    in_time,
    messages,
    office,
    rules,
    run,
    thief,
    workday,
)

ELSEWHERE = "41.58.12.7"
"""An internet line in Nigeria."""


def loop(at: float) -> list[UsageEvent]:
    """The owner's own sources at night, far more than ever."""
    return burst(at, 400, cost_usd=0.5)


def calm_of(outcome: Outcome) -> tuple[int, int]:
    """Unanswered pages in a row, and how long the last one is forgiven, in seconds."""
    state = outcome.fold.state_of(KEY)
    assert state is not None
    assert state.calm is not None
    (*_, ended) = (each for each in outcome.incidents if each.status == "resolved")
    return state.calm.pages, round(state.calm.until - epoch(ended.detected_at))


def incidents_that_paged(outcome: Outcome) -> set[str]:
    return {each.incident_id for each in outcome.pages()}


def test_each_page_that_nobody_answers_is_forgiven_for_twice_as_long() -> None:
    outcome = run(messages(in_time(office(12), loop(workday(8, 2))), 40))
    assert calm_of(outcome) == (1, UNANSWERED_CALM_SECONDS)
    rest = in_time(office(24)[len(office(12)) :], thief(workday(17, 10), 300, cost_usd=3.0))
    assert calm_of(run(messages(rest, 40), outcome.fold)) == (2, 2 * UNANSWERED_CALM_SECONDS)


def test_a_key_that_is_quiet_for_long_begins_anew() -> None:
    days = [
        *office(12),
        *(each for each in office(60) if epoch(each.occurred_at) >= workday(47, 0)),
    ]
    log = in_time(days, loop(workday(8, 2)), thief(workday(50, 10), 300, cost_usd=3.0))
    outcome = run(messages(log, 40))
    assert len(incidents_that_paged(outcome)) == 2
    assert calm_of(outcome)[0] == 1


def test_what_goes_on_after_a_page_is_told_again_only_when_it_costs_far_more() -> None:
    steady = [
        each for hour in range(40) for each in thief(workday(8, 10) + hour * HOUR, 6, cost_usd=0.01)
    ]
    pages = run(messages(in_time(office(9), thief(workday(8, 10)), steady), 40)).pages()
    assert pages
    times = [epoch(each.detected_at) for each in pages]
    assert max(times) - min(times) < DAY / 4


def ended(severity: Severity, nats: float, cause: Cause = "runaway") -> OpenIncident:
    return OpenIncident(
        incident_id="inc-1",
        revision=1,
        severity=severity,
        cause=cause,
        opened_at=0.0,
        evidence_at=0.0,
        nats=nats,
        spend_nanos=0,
        emitted_nanos=0,
        baseline_nanos=0.0,
        baseline_at=0.0,
    )


def thefts(*addresses: str) -> int:
    """Incidents that page when a thief comes every other day, from one address after another."""
    cheap: dict[str, object] = {
        "user_agent": "Go-http-client/2.0",
        "model": "gpt-4o-mini",
        "cost_usd": 0.01,
    }
    stolen = [
        thief(workday(8 + 2 * n, 10), 6, client_ip=ip, **cheap) for n, ip in enumerate(addresses)
    ]
    return len(incidents_that_paged(run(messages(in_time(office(30), *stolen), 40))))


def test_strangers_of_another_network_are_news_once() -> None:
    assert thefts(ABROAD, ABROAD) == 1
    assert thefts(ABROAD, ELSEWHERE) == 2
    assert thefts(ABROAD, ELSEWHERE, "103.21.4.9") == 2, "a key that often pages is told less"


def test_a_ticket_neither_ends_the_silence_after_pages_nor_makes_it_lighter() -> None:
    silence = unanswered(unanswered(None, ended("page", 9.0), 0.0), ended("page", 9.5), DAY)
    after = unanswered(silence, ended("ticket", 5.0), 2 * DAY)
    assert (after.until, after.nats, after.pages) == (silence.until, 9.5, 2)


def test_a_ticket_of_another_cause_is_forgiven_for_itself() -> None:
    silence = unanswered(None, ended("page", 9.0), 0.0)
    after = unanswered(silence, ended("ticket", 5.0, "leaked"), DAY)
    assert (after.until, after.nats) == (DAY + UNANSWERED_CALM_SECONDS, 5.0)


def test_a_word_of_a_person_outlasts_what_ended_by_itself() -> None:
    word = Calm(until=7 * DAY, nats=6.0)
    after = unanswered(word, ended("ticket", 11.0), DAY)
    assert (after.until, after.nats, after.cause) == (7 * DAY, 11.0, None)


@pytest.mark.parametrize(("cause", "told"), [("off_gateway", True), ("leaked", False)])
def test_a_noisy_key_is_heard_when_its_provider_bills_more(cause: Cause, *, told: bool) -> None:
    calm = Calm(until=2.0, nats=9.0, cause="runaway", pages=2)
    found = Conclusion(nats=8.0, cause=cause, runner_up=None)
    assert is_forgiven(calm, found, (), (), 1.0, SHIPPED) is not told


def colleague(at: float, **changes: object) -> list[UsageEvent]:
    """Somebody strange who tries the key with a tool of their own, for cents."""
    own: dict[str, object] = {"client_ip": ABROAD, "user_agent": "curl/8.5.0"} | changes
    return [event(at + number * 60.0, **own) for number in range(101)]


def told_of(again: list[UsageEvent]) -> int:
    """Incidents that page when a stranger of the ninth day is followed by something."""
    first = colleague(workday(8, 10))
    return len(incidents_that_paged(run(messages(in_time(office(24), first, again), 40))))


def test_people_are_told_once_of_a_stranger_who_does_no_more() -> None:
    later = workday(15, 10)
    assert told_of(colleague(later)) == 1
    assert told_of(colleague(later, client_ip=ELSEWHERE)) == 2, "another stranger"
    assert told_of(colleague(later, model="o1-pro", cost_usd=4.0)) == 2, "who spends, too"


@pytest.mark.parametrize(
    ("changes", "told"),
    [({}, False), ({"pages": 0}, True), ({"cause": "runaway"}, True), ({"networks": []}, True)],
)
def test_only_strangers_that_paged_are_known(changes: dict[str, object], *, told: bool) -> None:
    calm = Calm(until=1.0, nats=9.0, cause="shared", pages=1, networks=["200.160.0.0/16"])
    for name, value in changes.items():
        setattr(calm, name, value)
    found = Conclusion(nats=20.0, cause="leaked", runner_up=None)
    assert is_forgiven(calm, found, (), ["200.160.0.0/16"], 2.0, SHIPPED) is not told


def test_only_pages_lengthen_a_silence() -> None:
    silence = unanswered(unanswered(None, ended("page", 9.0), 0.0), ended("page", 9.0), 4 * DAY)
    later = silence.until + HOUR
    after = unanswered(silence, ended("ticket", 5.0), later)
    assert after.until == later + UNANSWERED_CALM_SECONDS


class Wavering(Detector):
    """Sure of a page, and of one cause in even hours and another in odd ones."""

    name = question = catches = misses = advice = "wavering"
    about = "facts"

    def __init__(self, causes: tuple[Cause, ...]) -> None:
        self.by_hour = causes

    def judge(self, key: KeyView) -> Finding | None:
        if key.now < workday(8, 9):
            return None
        causes = {self.by_hour[key.hour % 2]: 1.0}
        return Finding(8.0, "It wavers.", key.now, causes=causes)


def pages_of(*causes: Cause) -> int:
    judged = replace(rules(), detectors=(Wavering(causes),))
    return len(run(messages(office(9), 40), PartitionFold(judged)).pages())


def test_another_word_for_strangers_is_no_news_but_the_owners_own_machines_are() -> None:
    assert pages_of("leaked", "shared") == 1
    assert pages_of("leaked", "runaway") == 2, "once each, however often they take turns"


def test_a_budget_is_no_news_after_the_strangers_who_spent_it_but_strangers_are() -> None:
    in_even_hours, in_odd_hours = pages_of("budget", "leaked"), pages_of("leaked", "budget")
    assert in_even_hours == 1, "it begins in an odd one, with strangers"
    assert in_odd_hours == 2


@pytest.mark.parametrize(
    ("told", "paged", "named"),
    [
        ("leaked", True, "leaked"),
        ("leaked", False, "budget"),
        ("runaway", True, "budget"),
    ],
)
def test_only_strangers_who_paged_are_why_a_budget_is_gone(
    told: Cause, named: Cause, *, paged: bool
) -> None:
    incident = ended("page", 9.0, told)
    incident.note_told()
    incident.take_causes(Conclusion(8.5, "budget", "leaked"), paged=paged)
    assert incident.cause == named


class Insistent(Detector):
    """Sure of a loop on two days: of a page on the first, and as sure as it is told later."""

    name = question = catches = misses = advice = "insistent"
    about = "facts"
    score_max = 20.0

    def __init__(self, later: float, cause: Cause) -> None:
        self.later = later
        self.speaks_for: dict[Cause, float] = {cause: 1.0}

    def judge(self, key: KeyView) -> Finding | None:
        nats = {workday(8, 0): SHIPPED.page_nats + 0.1, workday(21, 0): self.later}
        of_day = nats.get(key.now // DAY * DAY)
        return Finding(of_day, "Again.", key.now, causes=self.speaks_for) if of_day else None


def insists(later: float, cause: Cause = "runaway") -> list[Severity]:
    """How urgent the two days are, the second of them long after what was forgiven."""
    judged = replace(rules(), detectors=(Insistent(later, cause),))
    incidents = run(messages(office(24), 40), PartitionFold(judged)).incidents
    worst: dict[str, Severity] = {}
    for each in incidents:
        if each.severity != "info":
            worst[each.incident_id] = each.severity
    return list(worst.values())


def test_who_paged_in_vain_takes_more_to_page_again() -> None:
    enough = SHIPPED.page_nats + LIVELY_NATS
    assert insists(enough - 0.1) == ["page", "ticket"]
    assert insists(enough + 0.1) == ["page", "page"]


def test_a_bill_beyond_the_gateway_pages_every_time() -> None:
    assert insists(SHIPPED.page_nats + 0.1, "off_gateway") == ["page", "page"]


def test_of_an_hour_in_doubt_only_the_volume_is_learnt() -> None:
    few = [each for hour in (12.2, 13.2, 14.2) for each in visitor(workday(8, hour))]
    doubted = run(messages(in_time(office(9)[: len(office(8)) + 90], few), 40))
    state = doubted.fold.state_of(KEY)
    assert state is not None
    assert state.incident is not None
    assert state.incident.severity == "ticket"
    assert [each.hours for each in state.history.newcomers.values()] == [0]
    assert state.history.volume.last >= workday(8, 13) / HOUR


def visitor(at: float) -> list[UsageEvent]:
    """A few of the owner's usual requests, from abroad."""
    return burst(at, 3, seconds=60, client_ip=ABROAD)


def shown(*parts: list[UsageEvent]) -> tuple[float, float]:
    """What a day showed against the key's habits, and of strangers, in nats."""
    morning = office(9)[: len(office(8)) + 90]
    state = run(messages(in_time(morning, *parts), 40)).fold.state_of(KEY)
    assert state is not None
    return state.history.unrest.today, state.history.visits.today


def test_what_strangers_show_is_not_held_against_the_owner_and_neither_is_the_reverse() -> None:
    habits, strangers = shown(visitor(workday(8, 12.2)))
    assert strangers > 3.0 > habits
    habits, strangers = shown(burst(workday(8, 2), 60, cost_usd=0.05))
    assert habits > 3.0 > strangers == 0.0


def test_strangers_who_came_while_people_looked_at_others_are_not_known() -> None:
    tries = burst(workday(9, 6), 2, client_ip=ELSEWHERE, cost_usd=0.001)
    theft = burst(workday(11, 14), 60, seconds=300.0, client_ip=ELSEWHERE, cost_usd=0.05)
    log = in_time(office(12), thief(workday(8, 10), 60, cost_usd=0.05), tries, theft)
    outcome = run(messages(log, 1))
    assert len(incidents_that_paged(outcome)) == 2


def test_a_thief_by_the_clock_is_not_taken_for_a_loop_of_the_owners() -> None:
    theft = burst(workday(8, 10), 900, seconds=1800.0, client_ip=ABROAD, cost_usd=0.02)
    outcome = run(messages(in_time(office(9), theft), 1))
    assert {each.cause for each in outcome.pages()} == {"leaked"}
    assert any(
        signal.detector == "runaway_loop" for each in outcome.pages() for signal in each.signals
    )
