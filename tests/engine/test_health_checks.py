"""Programs that ask a service now and then whether it is alive, at the expense of its key."""

import random

import pytest

from schemas.usage_event import UsageEvent
from tests.support.events import (
    ABROAD,
    CLOUD,
    DAY,
    HOUR,
    MINUTE,
    START,
    event,
    in_time,
    messages,
    run,
)

PROBE = {"client_ip": "10.2.0.14", "input_tokens": 9, "output_tokens": 1, "cost_usd": 2e-6}


def checks(
    first: float, last: float, user_agent: str = "kube-probe/1.29", every: float = 5 * MINUTE
) -> list[UsageEvent]:
    """A word in and a word out."""
    times = range(int(first), int(last), int(every))
    return [event(at + 7.0, user_agent=user_agent, **PROBE) for at in times]


def service(
    first: float, last: float, address: str = CLOUD, per_hour: float = 40
) -> list[UsageEvent]:
    """What the service behind the key does: long requests."""
    rng = random.Random(first)  # noqa: S311 # repeatable, and no secret
    times = sorted(rng.uniform(first, last) for _ in range(int(per_hour * (last - first) / HOUR)))
    return [
        event(
            at,
            client_ip=address,
            input_tokens=round(rng.lognormvariate(8.2, 0.4)),
            output_tokens=rng.randint(100, 400),
            cost_usd=0.01,
            stream=True,
        )
        for at in times
    ]


def theft(at: float, count: int = 120, **changes: object) -> list[UsageEvent]:
    return [
        event(
            at + 5 * n, client_ip=ABROAD, **{"user_agent": "curl/8.5.0", "cost_usd": 0.02} | changes
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("hours", [5, 40, 70])
@pytest.mark.parametrize(
    "user_agent", ["kube-probe/1.29", "python-requests/2.32.3", "UptimeRobot/2.0"]
)
def test_the_first_use_of_a_key_that_was_only_checked_wakes_nobody(
    hours: int, user_agent: str
) -> None:
    began = START + hours * HOUR
    ended = began + 30 * HOUR
    events = in_time(checks(START, ended, user_agent), service(began, ended))
    assert not run(messages(events)).pages()


def test_the_checks_do_not_hide_that_a_service_moved() -> None:
    moved = START + 9 * DAY + 10 * HOUR
    parts = service(START, moved), service(moved, moved + DAY, "34.90.3.4")
    assert not run(messages(in_time(checks(START, moved + DAY), *parts))).pages()


def test_they_say_nothing_of_what_the_service_sends() -> None:
    """Else another machine of it would seem to do other work."""
    moved = START + 9 * DAY + 10 * HOUR
    parts = service(START, moved, per_hour=3), service(moved, moved + DAY, "95.216.3.4")
    outcome = run(messages(in_time(checks(START, moved + DAY, every=MINUTE), *parts)))
    told = {signal.detector for each in outcome.incidents for signal in each.signals}
    assert told
    assert "request_shape" not in told


def test_a_thief_is_told_of_beside_them() -> None:
    stolen = START + 9 * DAY + 10 * HOUR
    events = in_time(checks(START, stolen + HOUR), service(START, stolen + HOUR), theft(stolen))
    pages = run(messages(events)).pages()
    assert pages
    assert pages[0].cause == "leaked"


def test_a_key_that_was_long_only_checked_is_known_for_that() -> None:
    stolen = START + 9 * DAY + 10 * HOUR
    assert run(messages(in_time(checks(START, stolen + HOUR), theft(stolen)))).pages()


@pytest.mark.parametrize("tokens", [1, 120])
def test_nor_is_a_thief_overlooked_who_calls_itself_a_check(tokens: int) -> None:
    stolen = START + 9 * DAY + 10 * HOUR
    disguised = theft(stolen, 400, user_agent="kube-probe/1.29", output_tokens=tokens)
    events = in_time(checks(START, stolen + HOUR), service(START, stolen + HOUR), disguised)
    assert run(messages(events)).pages()


@pytest.mark.parametrize(
    "work",
    [
        {"operation": "embeddings", "input_tokens": 3_000, "output_tokens": 0},
        {"operation": "embeddings", "input_tokens": 20, "output_tokens": 0},
        {"input_tokens": 900, "output_tokens": 5},
    ],
)
def test_work_whose_program_is_called_as_a_check_is_learnt_as_work(work: dict[str, object]) -> None:
    """Else its key stayed young for ever, and a theft told of a key of which nothing is known."""
    stolen = START + 9 * DAY + 10 * HOUR
    times = range(int(START), int(stolen + HOUR), int(5 * MINUTE))
    named = [event(at, user_agent="uptime-rag/2", cost_usd=6e-5, **work) for at in times]
    pages = run(messages(in_time(named, theft(stolen)))).pages()
    assert pages
    assert pages[0].cause == "leaked"


def test_short_embeddings_are_learnt_from_the_first_day_on() -> None:
    """They have no answer, and look like checks but for that."""
    stolen = START + 2 * DAY + 20 * HOUR
    times = range(int(START), int(stolen + HOUR), int(5 * MINUTE))
    short = {"operation": "embeddings", "input_tokens": 12, "output_tokens": 0, "cost_usd": 2e-7}
    work = [event(at, **short) for at in times]
    assert run(messages(in_time(work, theft(stolen)))).pages()


def test_a_busy_first_day_after_checks_wakes_nobody() -> None:
    began = START + 70 * HOUR
    events = in_time(
        checks(START, began + 20 * HOUR), service(began, began + 20 * HOUR, per_hour=900)
    )
    assert not run(messages(events)).pages()
