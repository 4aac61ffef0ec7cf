"""What owners do now and then, from their own machines with their own client: nobody is woken."""

import random
from collections.abc import Iterable

import pytest

from schemas.fields import epoch
from schemas.usage_event import UsageEvent
from tests.support.events import (
    ABROAD,
    CLOUD,
    DAY,
    HOME,
    HOUR,
    KEY,
    START,
    Outcome,
    event,
    in_time,
    messages,
    run,
    workday,
)

DAYS = 8
NOW = START + DAYS * DAY + 10 * HOUR
CHEAP, DEAR = "gpt-4o-mini", "gpt-4.1"
DEARER = 11.0


def service(first: float, last: float, model: str = CHEAP, price: float = 4e-7) -> list[UsageEvent]:
    """About forty requests in every hour between two times."""
    rng = random.Random(first)  # noqa: S311 # repeatable, and no secret
    times = sorted(
        hour * HOUR + rng.uniform(0, HOUR)
        for hour in range(int(first // HOUR), int(last // HOUR))
        for _ in range(rng.randint(30, 50))
    )
    return [asked(at, round(rng.lognormvariate(7, 0.4)), model, price) for at in times]


def asked(at: float, tokens: int, model: str, price: float, **changes: object) -> UsageEvent:
    whole: dict[str, object] = {"client_ip": CLOUD, "model": model, **changes}
    return event(at, input_tokens=tokens, cost_usd=tokens * price, **whole)


def after(*parts: Iterable[UsageEvent]) -> Outcome:
    days = service(START, NOW + 2 * HOUR)
    return run(messages(in_time(days, *parts), 4))


DONE: dict[str, list[UsageEvent]] = {
    "two calls to a dear model": [asked(NOW + n * 60, 1_200, "o1", 1.4e-4) for n in range(2)],
    "one long document": [asked(NOW, 900_000, CHEAP, 1.5e-7)],
    "three long documents over the day": [
        asked(NOW - n * 2 * HOUR, 400_000, CHEAP, 1.5e-7) for n in range(3)
    ],
}


@pytest.mark.parametrize("done", DONE.values(), ids=DONE)
def test_a_few_odd_requests_of_the_owners_wake_nobody(done: list[UsageEvent]) -> None:
    assert not after(done).pages()


def test_an_upgrade_to_a_dearer_model_wakes_nobody() -> None:
    at = START + 15 * DAY
    days = service(START, at), service(at, at + DAY, DEAR, 4e-7 * DEARER)
    assert not run(messages(in_time(*days), 4)).pages()


def test_a_thief_who_does_the_same_wakes_somebody() -> None:
    away: dict[str, object] = {"client_ip": "95.216.3.4", "user_agent": "python-requests/2.32"}
    thefts = [
        [asked(NOW + n * 60, 1_200, "o1", 1.4e-4, **away) for n in range(2)],
        [asked(NOW + n, 900_000, CHEAP, 1.5e-7, **away) for n in range(2)],
        [asked(NOW + n * 90, 1_200, DEAR, 3.2e-6, **away) for n in range(40)],
    ]
    assert all(after(theft).pages() for theft in thefts)


def test_many_long_or_dear_requests_of_the_owners_still_wake_somebody() -> None:
    long = [asked(NOW + n * 60, 400_000, CHEAP, 1.5e-7) for n in range(50)]
    dear = [asked(NOW + n * 60, 1_200, "o1", 1.4e-4) for n in range(50)]
    assert after(long).pages()
    assert after(dear).pages()
    assert {each.key_id for each in after(dear).pages()} == {KEY}


def looped(price: float, **changes: object) -> list[UsageEvent]:
    """Forty minutes of one short prompt, once a second."""
    return [asked(NOW + n, 500, CHEAP, price, **changes) for n in range(2_400)]


def test_nobody_is_woken_for_cents_of_the_owners_own_loop() -> None:
    cheap, dear = after(looped(2e-8)), after(looped(8e-6))
    assert not cheap.pages()
    assert [(each.severity, each.cause) for each in cheap.incidents[-1:]] == [("ticket", "runaway")]
    assert {each.cause for each in dear.pages()} == {"runaway"}


def test_a_cheap_loop_wakes_somebody_once_it_has_cost_a_quarter_of_a_dollar() -> None:
    slow, first = after(looped(8e-7)), after(looped(8e-6))
    assert epoch(slow.pages()[0].detected_at) > epoch(first.pages()[0].detected_at)
    assert slow.pages()[0].spend_usd > 0.1  # and what the day had cost before


def reindexed(price: float) -> list[UsageEvent]:
    """An hour of embeddings on a Sunday, when the key has always rested."""
    at = START + 13 * DAY + 22 * HOUR
    return [
        asked(at + n / 2, 490, "text-embedding-3-small", price, operation="embeddings")
        for n in range(7_200)
    ]


@pytest.mark.parametrize(("price", "pages"), [(2e-8, 0), (2e-6, 1)])
def test_an_odd_hour_of_the_owners_wakes_nobody_for_cents(price: float, pages: int) -> None:
    days = [
        part
        for day in range(12)
        if day % 7 < 5
        for part in service(START + day * DAY + 8 * HOUR, START + day * DAY + 18 * HOUR)
    ]
    outcome = run(messages(in_time(days, reindexed(price)), 4))
    assert len({each.incident_id for each in outcome.pages()}) == pages
    assert outcome.incidents


def test_somebody_is_woken_for_cents_of_a_strangers_loop() -> None:
    away: dict[str, object] = {"client_ip": "95.216.3.4", "user_agent": "python-requests/2.32"}
    assert after(looped(8e-8, **away)).pages()


def test_another_client_at_the_owners_address_wakes_somebody_once_it_costs_more_than_cents() -> (
    None
):
    """A load test, most likely; who else would be there can wait for a quarter of a dollar."""
    curl: dict[str, object] = {"user_agent": "curl/8.5.0"}
    cheap, dear = after(looped(4e-8, **curl)), after(looped(8e-7, **curl))
    assert [each.severity for each in cheap.incidents[-1:]] == ["ticket"]
    assert not cheap.pages()
    assert {each.cause for each in dear.pages()} == {"runaway"}


def office_hours(first: int, last: int, address: str) -> list[UsageEvent]:
    """Two or three requests an hour, on working days."""
    rng = random.Random(first)  # noqa: S311 # repeatable, and no secret
    return [
        asked(workday(day, hour) + rng.uniform(0, HOUR), 900, CHEAP, 2e-6, client_ip=address)
        for day in range(first, last)
        if day % 7 < 5
        for hour in range(8, 18)
        for _ in range(rng.randint(2, 3))
    ]


def test_a_key_that_falls_silent_at_home_has_gone_with_its_owner() -> None:
    at_home, abroad = office_hours(0, 21, HOME[0]), office_hours(21, 24, ABROAD)
    travels = run(messages(in_time(at_home, abroad), 4))
    beside = run(messages(in_time(office_hours(0, 24, HOME[0]), abroad), 4))
    assert not travels.incidents
    assert {each.cause for each in beside.pages()} == {"leaked"}
