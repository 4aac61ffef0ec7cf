"""Examples of `end_users`: what it fires on, and near misses."""

import pytest
from msgspec.structs import replace

from detectors.baselines.history import History
from detectors.baselines.learning import learn
from detectors.baselines.slices import slice_from
from detectors.baselines.windows import HourWindow
from pipeline.enrich.sources import Source
from pipeline.message import Message
from schemas.usage_event import UsageEvent
from tests.support.events import ABROAD, burst, event, in_time, messages, office
from tests.support.examples import HONEST_DAYS, NOW, Example, findings


def named(own: int = 3, extra: list[UsageEvent] | None = None) -> list[Message]:
    """An office whose gateway names a few end users, and what happens besides."""
    honest = [
        replace(each, end_user=f"own-{number % own}" if own else None)
        for number, each in enumerate(office(HONEST_DAYS))
    ]
    return messages(in_time(honest, extra or []), 60)


def users(
    count: int, *, at: float = NOW, seconds: float = 1500.0, **changes: object
) -> list[UsageEvent]:
    """Requests for end users who were never named before."""
    return [
        event(at + seconds * n / count, end_user=f"stranger-{n}", **changes) for n in range(count)
    ]


FIRES: dict[str, Example] = {
    "a stranger's server that names two, where nobody was ever named": lambda: named(
        0, [event(NOW + n * 10, client_ip=ABROAD, end_user=f"s-{n % 2}") for n in range(150)]
    ),
    "a stranger's server names a few": lambda: named(
        0, in_time(burst(NOW, 6, seconds=1500.0), users(8, seconds=300.0, client_ip=ABROAD))
    ),
    "a crowd through a stranger's server": lambda: named(3, users(120, client_ip=ABROAD)),
    "a crowd through the owner's server": lambda: named(3, users(120)),
    "a stranger's server names users, the owner's never did": lambda: named(
        0, users(600, client_ip=ABROAD)
    ),
}
QUIET: dict[str, Example] = {
    "a stranger's server that names somebody now and then": lambda: named(
        0, in_time(burst(NOW, 90, client_ip=ABROAD), users(4, client_ip=ABROAD))
    ),
    "a stranger's server that leaves the name empty": lambda: named(
        0, in_time(burst(NOW, 90, client_ip=ABROAD, end_user=""), users(2, client_ip=ABROAD))
    ),
    "a stranger's server that names two, as the owner's does": lambda: named(
        2, [event(NOW + n * 10, client_ip=ABROAD, end_user=f"s-{n % 2}") for n in range(150)]
    ),
    "a few more": lambda: named(3, users(5)),
    "a key that serves many": lambda: named(60, users(30)),
    "users where none were named before": lambda: named(0, users(120)),
    "many requests for the same few": lambda: named(
        3, [event(NOW + n * 10, end_user=f"own-{n % 3}") for n in range(150)]
    ),
    "a crowd without names": lambda: named(
        3, [event(NOW + n * 12, client_ip=ABROAD) for n in range(120)]
    ),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("end_users", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("end_users", example)


def test_what_strangers_name_is_no_habit_of_the_key() -> None:
    history, hour = History(), 500_000
    home = Source("84.112.20.5", "84.112.20.0/24", "AT", 8412, None, None, 1)
    abroad = Source("200.160.2.3", "200.160.2.0/24", "BR", 22548, None, None, 2)
    own, strange = (
        slice_from("", "curl/8", "gpt-4o", "chat", "ok", has_origin=False, named=named)
        for named in (False, True)
    )
    for each in range(30):
        learn(history, hour + each, None, [(own, home)], HourWindow(requests=9))
    assert history.welcome(abroad, 60 * (hour + 30)) is not None
    both = [(own, home), (strange, abroad)]
    learn(history, hour + 30, None, both, HourWindow(requests=9, users=[7, 8]))
    assert history.end_users.spread.n == 0.0
    learn(history, hour + 31, None, [(strange, home)], HourWindow(requests=9, users=[7, 8]))
    assert history.end_users.spread.n == 1.0


def test_users_through_new_sources_weigh_more() -> None:
    stranger, owner = (
        max(each.score for each in findings("end_users", FIRES[f"a crowd through {whose}"]))
        for whose in ("a stranger's server", "the owner's server")
    )
    assert stranger > 2 * owner
    assert owner < 4.0, "no ticket for a launch alone"
