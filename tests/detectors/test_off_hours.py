"""Examples of `off_hours`: what it fires on, and near misses."""

import msgspec
import pytest

from pipeline.message import Message
from schemas.fields import epoch
from schemas.key_record import KeyRecord
from tests.support.events import ABROAD, HOUR, KEY, burst, in_time, messages, office, workday
from tests.support.examples import TODAY, Example, findings, honest


def in_california(day: int, hour: float) -> list[Message]:
    """Three weeks of an office whose Monday begins in the afternoon of UTC's, and a burst there."""
    west = [
        msgspec.structs.replace(each, occurred_at=epoch(each.occurred_at) + 8 * HOUR)
        for each in office(19)
    ]
    return messages(in_time(west, burst(workday(day, hour + 8), 40)), 60)


FIRES: dict[str, Example] = {
    "three at night": lambda: honest(burst(workday(TODAY, 3), 40)),
    "at night, in a zone of its own": lambda: honest(
        burst(workday(TODAY, 3), 40), record=KeyRecord(key_id=KEY, timezone="Asia/Tokyo")
    ),
    "on a Sunday afternoon, which is Monday in UTC": lambda: in_california(20, 17),
}
QUIET: dict[str, Example] = {
    "in working hours": lambda: honest(burst(workday(TODAY, 11), 40)),
    "in working hours of a zone of its own": lambda: honest(
        burst(workday(TODAY, 11), 40), record=KeyRecord(key_id=KEY, timezone="Asia/Tokyo")
    ),
    "on a Friday afternoon, which is Saturday in UTC": lambda: in_california(18, 17),
    "one straggler": lambda: honest(burst(workday(TODAY, 18.2), 1)),
}


def test_strangers_keep_the_hours_of_where_they_are() -> None:
    night = workday(TODAY, 2)
    own = findings("off_hours", lambda: honest(burst(night, 120, cost_usd=0.01)))
    away = findings("off_hours", lambda: honest(burst(night, 120, cost_usd=0.01, client_ip=ABROAD)))
    assert max(each.score for each in away) < 0.6 * max(each.score for each in own)


def test_what_costs_cents_counts_for_less() -> None:
    night = workday(TODAY, 2)
    dear = findings("off_hours", lambda: honest(burst(night, 120, cost_usd=0.01)))
    cheap = findings("off_hours", lambda: honest(burst(night, 120, cost_usd=0.00001)))
    assert max(each.score for each in cheap) < 0.7 * max(each.score for each in dear)


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("off_hours", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("off_hours", example)


def told(example: Example) -> str:
    return findings("off_hours", example)[-1].summary


def test_it_says_how_often_the_key_was_active_at_that_hour() -> None:
    once = burst(workday(4, 3), 1)
    assert told(lambda: honest(once, burst(workday(TODAY, 3), 60))).endswith(
        "between 03:00 and 04:00 UTC, when it was active on 17% of 6 days of the week, with 0.5 on "
        "average."
    )


def test_where_it_never_was_active_nothing_is_said_of_an_average() -> None:
    summary = told(lambda: honest(burst(workday(TODAY, 3), 60)))
    assert summary.endswith("UTC, when it was active on none of 6 days of the week.")


@pytest.mark.parametrize(
    ("zone", "clock"),
    [
        ("Europe/Berlin", "05:00 and 06:00 Europe/Berlin"),
        ("Asia/Kathmandu", "08:45 and 09:45 Asia/Kathmandu"),
    ],
)
def test_it_names_the_hour_by_the_clock_of_the_owner(zone: str, clock: str) -> None:
    record = KeyRecord(key_id=KEY, timezone=zone)
    assert f"between {clock}, when" in told(
        lambda: honest(burst(workday(TODAY, 3), 60), record=record)
    )


def test_of_a_first_weekend_nothing_is_known() -> None:
    """Saturday's first hour is compared with the week."""
    saturday = burst(workday(5, 3), 60)
    summary = told(lambda: messages([*office(5), *saturday], 60))
    assert summary.endswith(
        "between 03:00 and 04:00 UTC; less than 1 day of the weekend is known of it."
    )
