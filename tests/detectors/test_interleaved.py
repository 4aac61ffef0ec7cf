"""Examples of `interleaved`: what it fires on, and near misses."""

import re

import pytest
from msgspec.structs import replace

from schemas.usage_event import UsageEvent
from tests.support.events import (
    ABROAD,
    CLOUD,
    HOME,
    burst,
    event,
    in_time,
    messages,
    office,
    workday,
)
from tests.support.examples import NOW, TODAY, Example, findings, honest


def visitor(at: float, **changes: object) -> list[UsageEvent]:
    """Somebody who takes little, every minute for half an hour."""
    own: dict[str, object] = {"client_ip": ABROAD} | changes
    return [event(at + minute * 60, **own) for minute in range(30)]


FIRES: dict[str, Example] = {
    "Brazil while the office works": lambda: honest(burst(NOW, 60, seconds=1800), visitor(NOW)),
}
QUIET: dict[str, Example] = {
    "Brazil while the office sleeps": lambda: honest(visitor(workday(TODAY, 2))),
    "a cloud while the office works": lambda: honest(
        burst(NOW, 60, seconds=1800), visitor(NOW, client_ip=CLOUD)
    ),
    "the office alone": lambda: honest(burst(NOW, 60)),
}


def test_one_more_country_says_less_about_a_key_that_lives_in_several() -> None:
    abroad = [event(workday(day, 11), client_ip=ABROAD) for day in range(TODAY)]
    lisbon = visitor(NOW, client_ip="85.240.10.7")
    one = findings("interleaved", lambda: honest(burst(NOW, 60, seconds=1800), lisbon))
    two = findings("interleaved", lambda: honest(abroad, burst(NOW, 60, seconds=1800), lisbon))
    assert max(each.score for each in one) > 2.0
    assert max((each.score for each in two), default=0.0) < 1.5


def test_beside_private_addresses_nobody_knows_whether_it_is_another_country() -> None:
    def most(home: str) -> float:
        own = [replace(each, client_ip=home) for each in office(TODAY)]
        today = burst(NOW, 60, seconds=1800, client_ip=home)
        log = messages(in_time(own, today, visitor(NOW)), 60)
        return max(each.score for each in findings("interleaved", lambda: log))

    assert most("10.20.3.4") < most(HOME[0]) - 1.0


def test_it_says_no_more_of_the_owner_than_since_the_other_came() -> None:
    said = findings("interleaved", FIRES["Brazil while the office works"])[0].summary
    since, own = re.findall(r"(\d+) (minutes|seconds)", said)
    assert said.endswith(f"in the last {own[0]} {own[1]}.")
    assert own == since
    assert own != ("30", "minutes")


def test_a_request_or_two_may_be_strays() -> None:
    found = findings("interleaved", FIRES["Brazil while the office works"])
    assert found[0].score < 0.8 * found[-1].score


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("interleaved", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("interleaved", example)
