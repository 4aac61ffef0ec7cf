"""Examples of `dormant`: what it fires on, and near misses."""

from dataclasses import replace

import pytest

from pipeline.message import Message
from schemas.key_record import KeyRecord
from schemas.topics import TOLD_HEADER
from tests.support.events import (
    ABROAD,
    CLOUD,
    DAY,
    HOME,
    HOUR,
    KEY,
    START,
    burst,
    control,
    messages,
    office,
    registered,
    run,
)
from tests.support.examples import NOW, Example, findings, honest, listen


def old_key(created: float = 100) -> KeyRecord:
    """Created so many days before the registry told of it."""
    return KeyRecord(key_id=KEY, created_at=START - created * DAY)


def first_use(created: float, after: float, *again: float) -> list[Message]:
    """A key that the registry told of on the first day, and that is first used so long after.

    Args:
        created: days before the registry told of it.
        after: in days.
        again: days on which the registry tells of it once more.
    """
    told = [registered(old_key(created), START + day * DAY) for day in (0, *again)]
    return [*told, *messages(burst(START + after * DAY, 20))]


def tried_once(after: float, client_ip: str = HOME[0]) -> list[Message]:
    """A key that was tried for an hour, and is used again so many days after."""
    return messages([*burst(START, 10), *burst(START + after * DAY, 20, client_ip=client_ip)])


FIRES: dict[str, Example] = {
    "two months of silence": lambda: honest(burst(NOW + 60 * DAY, 20)),
    "an old key that nobody used for twelve days": lambda: first_use(100, 12),
    "one that the registry tells of again": lambda: first_use(100, 12, 11),
    "a key that was tried two weeks ago": lambda: tried_once(14),
}
QUIET: dict[str, Example] = {
    "a weekend": lambda: messages(office(21)),
    "a night": lambda: honest(burst(NOW, 20)),
    "a new key that nobody used for twelve days": lambda: first_use(1, 12),
    "an old key, when the registry did not say since when": lambda: [
        control("key", old_key()),
        *messages(burst(START + 12 * DAY, 20)),
    ],
    "an old key at once": lambda: first_use(100, 1),
    "a key that was tried on the day before": lambda: tried_once(1),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("dormant", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("dormant", example)


def test_a_key_that_sleeps_often_is_not_forgotten() -> None:
    wakings = [START + 10 * DAY * number for number in range(8)]
    log = messages([each for at in wakings for each in burst(at, 30, seconds=4 * HOUR)])
    days = {
        int((each.key.now - START) // DAY)
        for each in listen(log)
        if each.detector == "dormant" and each.finding is not None
    }
    assert days == {10}


@pytest.mark.parametrize(
    ("client_ip", "told"),
    [("156.146.53.27", True), ("95.216.33.5", True), (CLOUD, False), (HOME[0], False)],
    ids=["a VPN", "a rented machine", "a big cloud", "a line"],
)
def test_who_wakes_an_old_key_from_a_hideout_is_a_stranger(client_ip: str, *, told: bool) -> None:
    """Nobody ever used it while it was watched, so nothing else is known of its owner."""
    woken = burst(START + 12 * DAY, 20, client_ip=client_ip, cost_usd=0.1)
    log = [registered(old_key(), START), *messages(woken)]
    assert bool(findings("new_source", lambda: log)) is told
    assert bool(run(log).pages()) is told


def test_a_key_that_a_stranger_wakes_is_no_young_one() -> None:
    own, woken, young = (
        listen(tried_once(days, client_ip))[-1].key.confidence
        for days, client_ip in ((14, HOME[0]), (14, ABROAD), (1, ABROAD))
    )
    assert own < 0.5
    assert young < 0.5
    assert woken > 0.8


def most(log: list[Message]) -> float:
    """The most that is said of it at one time."""
    return max(each.score for each in findings("dormant", lambda: log))


def woken(by: str, cost_usd: float) -> float:
    """What is said of a key that somebody comes with after a month, and spends so much a time."""
    return most(honest(burst(NOW + 30 * DAY, 20, client_ip=by, cost_usd=cost_usd)))


def never_used(cost_usd: float) -> float:
    """The same of an old key that was never used."""
    told = registered(old_key(), START)
    return most([told, *messages(burst(START + 12 * DAY, 20, cost_usd=cost_usd))])


def test_whoever_finds_a_key_and_spends_at_once_is_no_owner() -> None:
    assert woken(ABROAD, 0.5) > woken(ABROAD, 0.001) + 1.5
    assert never_used(0.5) > never_used(0.001) + 1.5, "nobody is known to be its owner yet"
    assert woken(HOME[0], 0.5) == woken(HOME[0], 0.001)


def test_silence_alone_is_worth_so_much_however_long() -> None:
    assert most(first_use(2000, 100)) == most(first_use(2000, 1000)) == 5.0


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9", "9" * 400, "9" * 5000])
def test_a_time_that_is_none_is_not_known(text: str) -> None:
    (told,) = (m for m in first_use(100, 12) if m.record == "key")
    assert told.told_at == START
    assert replace(told, headers={**told.headers, TOLD_HEADER: text}).told_at == 0
