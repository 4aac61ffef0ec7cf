"""Examples of `newcomer_rush`: what it fires on, and near misses."""

import pytest
from msgspec.structs import replace

from pipeline.message import Message
from schemas.usage_event import UsageEvent
from tests.support.events import ABROAD, HOUR, burst, event, in_time, messages, thief, workday
from tests.support.examples import NOW, TODAY, Example, findings, honest


def away(count: int) -> list[UsageEvent]:
    """Requests with the owner's client and model from a rented machine, on a day without any."""
    return burst(NOW + 2 * HOUR, count, client_ip="167.99.8.7")


def slowly(count: int) -> list[UsageEvent]:
    """A thief's requests through five hours, never eight of them in five minutes."""
    return [
        event(NOW + 5 * HOUR * n / count, client_ip=ABROAD, user_agent="curl/8.9")
        for n in range(count)
    ]


FIRES: dict[str, Example] = {
    "a few at a time, all day": lambda: honest(burst(NOW, 60, seconds=5 * HOUR), slowly(120)),
    "a hundred requests": lambda: honest(burst(NOW, 30), thief(NOW, 100)),
    "a crowd of them while the owner is away": lambda: honest(away(400)),
    "a few dear ones": lambda: honest(burst(NOW, 30), thief(NOW, 12, cost_usd=5.0)),
}
QUIET: dict[str, Example] = {
    "a guest, all day": lambda: honest(burst(NOW, 60, seconds=5 * HOUR), slowly(6)),
    "a few cheap ones": lambda: honest(burst(NOW, 30), thief(NOW, 4, cost_usd=0.001)),
    "no more than the owner, who moved": lambda: honest(away(20)),
    "the owner in a hurry": lambda: honest(burst(NOW, 100)),
}


def test_a_stay_of_ten_requests_is_none_however_little_the_key_does() -> None:
    def stay(count: int) -> list[Message]:
        hours = (9, 10, 11)
        own = [event(workday(day, hour)) for day in range(14) for hour in hours]
        own += [event(workday(14, 9) + 7 + 900 * number) for number in range(9)]
        guest = [event(workday(14, 9) + 600 * n, client_ip=ABROAD) for n in range(count)]
        return messages(in_time(own, guest), 20)

    assert findings("newcomer_rush", lambda: stay(12))
    assert not findings("newcomer_rush", lambda: stay(11))


def test_no_more_than_in_the_owners_rare_sessions_is_hardly_a_rush() -> None:
    sessions = [
        each for day in range(TODAY) for each in burst(workday(day, 7 * day % 24), 60, seconds=240)
    ]
    strange = burst(workday(TODAY, 5), 60, seconds=240, client_ip="167.99.8.7")
    found = findings("newcomer_rush", lambda: messages([*sessions, *strange], 20))
    assert max(each.score for each in found) < 2.0


@pytest.mark.parametrize("client_ip", ["10.20.3.4", "165.225.72.9"])  # Zscaler
def test_what_is_done_in_house_counts_half(client_ip: str) -> None:
    def most(**changes: object) -> float:
        moved = [replace(each, **changes) for each in thief(NOW, 100)]
        found = findings("newcomer_rush", lambda: honest(burst(NOW, 30), moved))
        return max(each.score for each in found)

    assert most(client_ip=client_ip) == pytest.approx(most() / 2, rel=0.1)


def test_the_more_a_guest_takes_the_more_it_says() -> None:
    def most(count: int) -> float:
        owner = burst(NOW, 60, seconds=5 * HOUR)
        found = findings("newcomer_rush", lambda: honest(owner, slowly(count)))
        return max(each.score for each in found)

    assert most(1_200) > most(200) + 0.5


def test_at_night_it_tells_what_the_key_does_by_day() -> None:
    """Beside `spend_spike`, by which next to nothing is usual then."""
    night = thief(workday(TODAY, 2), 40, cost_usd=0.01)
    summaries = {
        name: findings(name, lambda: honest(night))[-1].summary
        for name in ("newcomer_rush", "spend_spike")
    }
    assert "in 5 minutes of its usual work the whole key makes 0.3" in summaries["newcomer_rush"]
    assert "where hardly any (less than $0.0001) are usual" in summaries["spend_spike"]


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("newcomer_rush", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("newcomer_rush", example)
