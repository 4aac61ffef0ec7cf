"""What a person says about an incident changes what happens next for that key."""

from collections.abc import Callable, Sequence

import msgspec
import pytest

from detectors.baselines.unrest import Unrest
from pipeline.engine import PartitionFold
from pipeline.engine.state import encode_state
from pipeline.message import Message
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.usage_event import UsageEvent
from schemas.verdict import Judgement, Verdict
from tests.support.events import (
    DAY,
    HOUR,
    KEY,
    MINUTE,
    Outcome,
    burst,
    control,
    in_time,
    messages,
    office,
    rules,
    run,
    thief,
    workday,
)

STOLEN_AT = workday(8, 2)
AT = workday(8, 10)
LOOP = {"cost_usd": 0.5}
"""The owner's own sources at night, far more than ever."""


def before(*parts: Sequence[UsageEvent]) -> list[Message]:
    """Eight honest days, and what happens on the ninth."""
    return messages(in_time(office(9), *parts), 40)


def paged() -> tuple[Outcome, Incident]:
    """A fold in which a loop of the owner's has just paged."""
    outcome = run(before(burst(STOLEN_AT, 400, **LOOP)))
    pages = outcome.pages()
    assert pages
    return outcome, pages[-1]


def say(
    outcome: Outcome,
    what: Judgement,
    about: Incident,
    **changes: str | float,
) -> list[Incident]:
    at = STOLEN_AT + HOUR
    verdict = Verdict(
        incident_id=about.incident_id, key_id=about.key_id, verdict=what, by="slack:U1", at=at
    )
    verdict = msgspec.structs.replace(verdict, **changes)
    return run([control("verdict", verdict, at=at)], outcome.fold).incidents


def goes_on(outcome: Outcome, *parts: Sequence[UsageEvent]) -> list[Incident]:
    return run(messages(in_time(*parts), 40), outcome.fold).pages()


def again(at: float) -> list[UsageEvent]:
    return burst(at, 400, **LOOP)


def days(first: int, last: int) -> list[UsageEvent]:
    """Honest days from one on, before another."""
    return list(office(last)[len(office(first)) :])


def unrest_of(outcome: Outcome) -> Unrest:
    state = outcome.fold.state_of(KEY)
    assert state is not None
    return state.history.unrest


def test_what_nobody_was_told_is_held_against_later_evidence_and_a_page_is_not() -> None:
    """People were told of a page: from then on their word is what counts."""
    outcome, incident = paged()
    assert unrest_of(outcome).today > 1.0
    say(outcome, "benign", incident)
    assert unrest_of(outcome) == Unrest()


@pytest.mark.parametrize("what", ["benign", "expected"])
def test_benign_ends_the_incident_and_says_so_once(what: Judgement) -> None:
    outcome, incident = paged()
    (revision,) = say(outcome, what, incident)
    assert revision.status == "suppressed"
    assert revision.incident_id == incident.incident_id
    assert revision.revision == max(each.revision for each in outcome.incidents) + 1
    assert epoch(revision.detected_at) == STOLEN_AT + HOUR
    assert not say(outcome, what, incident)


def stolen(minutes: int) -> Outcome:
    """A fold in which a thief has just been at it for so long, twelve times a minute."""
    return run(messages(in_time(office(8), thief(STOLEN_AT, 12 * minutes, cost_usd=0.5)), 40))


@pytest.mark.parametrize("what", ["benign", "expected", "snooze"])
@pytest.mark.parametrize(("minutes_later", "requests"), [(0, 120), (10, 60), (60, 0)])
def test_who_ends_an_incident_hears_what_goes_on(
    what: Judgement, minutes_later: int, requests: int
) -> None:
    outcome = stolen(10)
    at = STOLEN_AT + (9 + minutes_later) * MINUTE
    (revision,) = say(outcome, what, outcome.pages()[-1], at=at)
    assert revision.burn_usd_per_hour == pytest.approx(4 * 0.5 * requests)


def test_a_word_that_was_under_way_for_long_hears_what_goes_on_by_then() -> None:
    outcome = stolen(30)
    (revision,) = say(outcome, "benign", outcome.pages()[-1], at=STOLEN_AT + MINUTE)
    assert revision.burn_usd_per_hour == pytest.approx(4 * 0.5 * 12 * 15)


@pytest.mark.parametrize("what", ["benign", "expected", "snooze"])
def test_the_same_evidence_does_not_page_again_until_the_verdict_expires(what: Judgement) -> None:
    outcome, incident = paged()
    say(outcome, what, incident, until=workday(9, 12))
    assert not goes_on(outcome, again(workday(8, 4)), again(workday(9, 2)))


def test_a_verdict_expires() -> None:
    outcome, incident = paged()
    say(outcome, "benign", incident, until=STOLEN_AT + 2 * HOUR)
    pages = goes_on(outcome, again(workday(9, 2)))
    assert pages
    assert pages[0].incident_id != incident.incident_id


def test_a_verdict_without_an_end_holds_for_a_week() -> None:
    outcome, incident = paged()
    say(outcome, "benign", incident)
    assert not goes_on(outcome, again(STOLEN_AT + 6 * DAY))


def test_a_snooze_ends_and_then_the_same_pages_again() -> None:
    outcome, incident = paged()
    (revision,) = say(outcome, "snooze", incident, until=STOLEN_AT + 2 * HOUR)
    assert revision.status == "suppressed"
    assert not goes_on(outcome, again(STOLEN_AT + 1.5 * HOUR))
    assert goes_on(outcome, again(workday(9, 2)))


@pytest.mark.parametrize("minutes", [1, 5, 15])
def test_what_was_snoozed_may_grow(minutes: int) -> None:
    outcome = run(before(thief(workday(9, 10), 12 * minutes)))
    (*_, incident) = outcome.pages()
    at = workday(9, 10) + 60.0 * minutes
    say(outcome, "snooze", incident, at=at, until=at + 3 * HOUR)
    assert not goes_on(outcome, thief(at + 10, 2000, cost_usd=1.0))
    assert goes_on(outcome, thief(at + 3 * HOUR, 60, cost_usd=1.0))


def test_another_stranger_pages_in_spite_of_a_snooze() -> None:
    outcome = run(before(thief(workday(9, 10), 20)))
    (*_, incident) = outcome.pages()
    say(outcome, "snooze", incident, at=workday(9, 11), until=workday(9, 15))
    assert not goes_on(outcome, thief(workday(9, 12), 60))
    assert goes_on(outcome, thief(workday(9, 13), 60, client_ip="41.58.12.7"))


def test_what_the_owner_does_pages_in_spite_of_a_snooze_of_strangers() -> None:
    outcome = run(before(thief(AT, 60)))
    (*_, incident) = outcome.pages()
    assert incident.cause == "leaked"
    say(outcome, "snooze", incident, at=AT + 5 * MINUTE, until=workday(9, 12))
    found = goes_on(outcome, again(workday(9, 2)))
    assert {each.cause for each in found} == {"runaway"}


def test_much_stronger_evidence_pages_in_spite_of_a_verdict() -> None:
    outcome, incident = paged()
    say(outcome, "benign", incident)
    assert goes_on(outcome, thief(workday(9, 2), 300, client_ip="185.220.101.4", cost_usd=3.0))


def test_a_benign_verdict_makes_its_sources_welcome() -> None:
    outcome = run(before(thief(workday(8, 10))))
    (*_, incident) = outcome.pages()
    say(outcome, "benign", incident)
    assert not goes_on(outcome, days(9, 19), thief(workday(18, 10), 20, cost_usd=0.001))


@pytest.mark.parametrize("what", ["benign", "expected"])
def test_sources_that_are_welcome_for_some_time_are_strangers_again(what: Judgement) -> None:
    outcome = run(before(thief(workday(8, 10))))
    (*_, incident) = outcome.pages()
    say(outcome, what, incident, until=workday(12, 0))
    guest = [e for day in (9, 10, 11) for hour in (9, 11, 14) for e in steady(workday(day, hour))]
    assert not goes_on(outcome, days(9, 12), guest)
    state = outcome.fold.state_of(KEY)
    assert state is not None
    assert {each.hours for each in state.history.newcomers.values()} == {0}
    assert goes_on(outcome, days(12, 19), thief(workday(18, 10), 60))


def test_a_leak_keeps_the_incident_open_and_its_sources_strangers() -> None:
    outcome = run(before(thief(workday(8, 10))))
    (*_, incident) = outcome.pages()
    assert not say(outcome, "leak", incident)
    state = outcome.fold.state_of(KEY)
    assert state is not None
    assert state.incident is not None
    assert state.incident.incident_id == incident.incident_id
    back = [event for day in range(9, 13) for event in thief(workday(day, 10), 30)]
    run(messages(back, 40), outcome.fold)
    assert not state.history.countries.knows("BR")


def test_a_thief_who_waits_until_the_incident_has_ended_pages_again() -> None:
    outcome = run(before(thief(workday(8, 10))))
    (*_, incident) = outcome.pages()
    say(outcome, "leak", incident)
    pages = goes_on(outcome, days(9, 14), thief(workday(13, 10)))
    assert pages
    assert pages[-1].incident_id != incident.incident_id


@pytest.mark.parametrize("what", ["leak", "acknowledge"])
def test_what_a_person_knew_of_pages_when_it_comes_again(what: Judgement) -> None:
    outcome = run(before(thief(workday(8, 10))))
    (*_, incident) = outcome.pages()
    say(outcome, what, incident)
    assert goes_on(outcome, days(9, 10), thief(workday(10, 10)))
    state = outcome.fold.state_of(KEY)
    assert state is not None
    assert state.calm is None


def test_acknowledge_changes_nothing_while_it_is_open() -> None:
    outcome, incident = paged()
    plain, _ = paged()
    assert not say(outcome, "acknowledge", incident)
    more = again(STOLEN_AT + 2 * HOUR)
    assert run(messages(more), outcome.fold).incidents == run(messages(more), plain.fold).incidents


@pytest.mark.parametrize("what", ["benign", "leak", "snooze", "expected", "acknowledge"])
@pytest.mark.parametrize(
    "changes",
    [{"incident_id": "inc-of-somebody-else"}, {"key_id": "a-key-never-seen"}],
    ids=["incident", "key"],
)
def test_a_verdict_on_something_else_changes_nothing(
    what: Judgement, changes: dict[str, str]
) -> None:
    outcome, incident = paged()
    plain, _ = paged()
    assert not say(outcome, what, incident, **changes)
    more = again(workday(9, 2))
    after = run(messages(more), outcome.fold)
    alone = run(messages(more), plain.fold)
    assert after.incidents == alone.incidents
    assert after.states[KEY] == alone.states[KEY]


LATER: list[Judgement] = ["benign", "expected"]


def snoozed(until: float) -> tuple[Outcome, Incident]:
    """A fold in which a thief paged at ten, and was snoozed after five minutes until a time."""
    outcome = run(messages(in_time(office(8), thief(AT, 60)), 40))
    incident = outcome.pages()[-1]
    say(outcome, "snooze", incident, at=AT + 5 * MINUTE, until=until)
    return outcome, incident


def left_alone() -> tuple[Outcome, Incident]:
    """A fold in which a thief paged at ten, and it ended by itself without an answer."""
    outcome = run(messages(in_time(office(10), thief(AT, 60)), 40))
    assert outcome.incidents[-1].status == "resolved"
    return outcome, outcome.pages()[-1]


def stored(outcome: Outcome) -> bytes:
    state = outcome.fold.state_of(KEY)
    assert state is not None
    return encode_state(state)


@pytest.mark.parametrize("what", LATER)
def test_what_was_snoozed_may_turn_out_to_be_right(what: Judgement) -> None:
    outcome, incident = snoozed(AT + HOUR)
    assert not say(outcome, what, incident, at=AT + 7 * MINUTE)
    assert not goes_on(outcome, thief(AT + 7 * MINUTE, 1200))
    state = outcome.fold.state_of(KEY)
    assert state is not None
    assert not state.history.newcomers


@pytest.mark.parametrize("what", LATER)
def test_what_nobody_answered_may_turn_out_to_be_right(what: Judgement) -> None:
    outcome, incident = left_alone()
    say(outcome, what, incident, at=workday(10, 9))
    assert not goes_on(outcome, days(10, 16), thief(workday(16, 9.5), 60))


@pytest.mark.parametrize("before", [lambda: snoozed(AT + DAY), left_alone], ids=["snooze", "end"])
def test_what_has_ended_may_turn_out_to_be_a_leak(
    before: Callable[[], tuple[Outcome, Incident]],
) -> None:
    outcome, incident = before()
    again = thief(workday(11, 9.5), 60)
    say(outcome, "leak", incident, at=workday(11, 9))
    (state,) = [outcome.fold.state_of(KEY)]
    assert state is not None
    assert state.calm is None
    assert {each.hostile for each in state.history.newcomers.values()} == {True}
    assert goes_on(outcome, again)


@pytest.mark.parametrize("last", ["benign", "leak"])
@pytest.mark.parametrize("older", ["benign", "expected", "leak"])
def test_what_was_said_before_undoes_nothing_that_was_said_since(
    last: Judgement, older: Judgement
) -> None:
    outcome, incident = snoozed(AT + DAY)
    say(outcome, last, incident, at=AT + 8 * MINUTE)
    known = stored(outcome)
    say(outcome, older, incident, at=AT + 7 * MINUTE)
    assert stored(outcome) == known
    say(outcome, older, incident, at=AT + 9 * MINUTE)
    assert stored(outcome) != known


def test_a_word_about_the_last_incident_undoes_none_about_the_next() -> None:
    outcome, first = snoozed(AT + 10 * MINUTE)
    (second, *_) = goes_on(outcome, thief(AT + 10 * MINUTE, 60))
    assert second.incident_id != first.incident_id
    say(outcome, "leak", second, at=AT + 16 * MINUTE)
    known = stored(outcome)
    say(outcome, "benign", first, at=AT + 15 * MINUTE)
    assert stored(outcome) == known


def test_who_came_after_the_end_is_not_welcome_with_those_who_were_told_of() -> None:
    outcome, incident = snoozed(AT + HOUR)
    other = thief(AT + 6 * MINUTE, 3, client_ip="41.58.12.7", cost_usd=0.001)
    run(messages(other), outcome.fold)
    say(outcome, "benign", incident, at=AT + 7 * MINUTE)
    state = outcome.fold.state_of(KEY)
    assert state is not None
    assert [each.country for each in state.history.newcomers.values()] == ["NG"]


@pytest.mark.parametrize("what", ["acknowledge", "snooze"])
def test_what_is_over_cannot_be_taken_or_silenced(what: Judgement) -> None:
    outcome, incident = left_alone()
    say(outcome, what, incident, incident_id="inc-of-somebody-else")
    known = stored(outcome)
    say(outcome, what, incident, at=workday(10, 9), until=workday(12, 9))
    assert stored(outcome) == known


def test_people_have_their_say_on_the_last_incident_alone() -> None:
    outcome, first = snoozed(AT + 10 * MINUTE)
    (second, *_) = goes_on(outcome, thief(AT + 10 * MINUTE, 60))
    say(outcome, "snooze", second, at=AT + 16 * MINUTE, until=AT + HOUR)
    known = stored(outcome)
    say(outcome, "benign", first, at=AT + 20 * MINUTE)
    assert stored(outcome) == known


def test_what_has_ended_is_remembered_across_a_restart() -> None:
    outcome, incident = snoozed(AT + HOUR)
    fresh = PartitionFold(rules())
    fresh.restore(KEY, stored(outcome))
    later = Outcome(fold=fresh)
    say(later, "benign", incident, at=AT + 7 * MINUTE)
    assert not goes_on(later, thief(AT + HOUR, 60))


def test_a_verdict_survives_a_restart() -> None:
    outcome, incident = paged()
    say(outcome, "benign", incident, until=workday(9, 12))
    states = run(messages(burst(workday(8, 12), 1)), outcome.fold).states
    fresh = PartitionFold(rules())
    for key_id, state in states.items():
        assert state is not None
        fresh.restore(key_id, state)
    assert not run(messages(again(workday(9, 2)), 40), fresh).pages()


def test_nothing_is_learnt_during_a_snooze() -> None:
    outcome = run(before(thief(workday(8, 10))))
    (*_, incident) = outcome.pages()
    say(outcome, "snooze", incident, until=workday(11, 12))
    meanwhile = [e for day in (9, 10) for hour in range(8, 18) for e in steady(workday(day, hour))]
    run(messages(meanwhile, 40), outcome.fold)
    assert goes_on(outcome, thief(workday(11, 13)))


def test_a_thief_who_works_on_unanswered_is_not_taken_for_the_owner() -> None:
    stolen = [e for day in (8, 9, 10) for hour in range(24) for e in steady(workday(day, hour))]
    outcome = run(before(stolen))
    assert outcome.pages()
    assert "resolved" not in {each.status for each in outcome.incidents}
    state = outcome.fold.state_of(KEY)
    assert state is not None
    assert not state.history.countries.knows("BR")


def test_an_incident_ends_by_itself_when_all_is_quiet() -> None:
    outcome = run(messages(in_time(office(14), thief(workday(8, 10))), 40))
    assert outcome.incidents[-1].status == "resolved"
    assert epoch(outcome.incidents[-1].detected_at) >= workday(9, 10)


def steady(at: float) -> list[UsageEvent]:
    return thief(at, 8, cost_usd=0.2)
