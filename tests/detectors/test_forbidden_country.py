"""Examples of `forbidden_country`: what it fires on, and near misses."""

import pytest

from schemas.key_record import KeyRecord
from tests.support.events import (
    ABROAD,
    CLOUD,
    HOME,
    HOUR,
    KEY,
    START,
    burst,
    control,
    event,
    in_time,
    messages,
)
from tests.support.examples import NOW, Example, findings, honest, listen

AUSTRIA = KeyRecord(key_id=KEY, allowed_countries=["AT"])

FIRES: dict[str, Example] = {
    "Brazil, where only Austria is allowed": lambda: honest(
        burst(NOW, 5, client_ip=ABROAD), record=AUSTRIA
    ),
    "a cloud elsewhere": lambda: honest(burst(NOW, 5, client_ip=CLOUD), record=AUSTRIA),
}
COLD: dict[str, tuple[str, bool]] = {
    "abroad": (ABROAD, True),
    "at home": (HOME[0], False),
    "a cloud, wherever its addresses are registered": (CLOUD, False),
}
"""Where a key is first used from, and whether that is told."""
QUIET: dict[str, Example] = {
    "Brazil is allowed": lambda: honest(
        burst(NOW, 5, client_ip=ABROAD),
        record=KeyRecord(key_id=KEY, allowed_countries=["AT", "br"]),
    ),
    "no list": lambda: honest(burst(NOW, 5, client_ip=ABROAD), record=KeyRecord(key_id=KEY)),
    "a new line at home": lambda: honest(burst(NOW, 5, client_ip="84.112.77.1"), record=AUSTRIA),
    "an address without a country": lambda: honest(
        burst(NOW, 5, client_ip="203.0.113.9"), record=AUSTRIA
    ),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("forbidden_country", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("forbidden_country", example)


@pytest.mark.parametrize(
    ("address", "score"),
    [(ABROAD, 5.5), (CLOUD, 3.9), ("156.146.53.27", 3.9)],
    ids=["a line", "a cloud", "a VPN"],
)
def test_where_a_machine_is_registered_says_less(address: str, score: float) -> None:
    log = honest(burst(NOW, 5, client_ip=address), record=AUSTRIA)
    assert findings("forbidden_country", lambda: log)[-1].score == score


@pytest.mark.parametrize(("address", "told"), COLD.values(), ids=COLD)
def test_a_key_that_nobody_used_yet(address: str, told: bool) -> None:  # noqa: FBT001
    log = [control("key", AUSTRIA), *messages(burst(NOW, 5, client_ip=address))]
    assert bool(findings("forbidden_country", lambda: log)) == told


def test_who_comes_slowly_to_a_key_that_nobody_used_yet_is_not_learnt() -> None:
    slowly = [event(START + 600.0 * n, client_ip=ABROAD) for n in range(30)]
    found = findings("forbidden_country", lambda: [control("key", AUSTRIA), *messages(slowly)])
    assert (found[0].score, found[-1].score) == (4.0, 4.5)
    assert found[-1].summary.startswith("30 requests")


def test_a_country_that_was_never_allowed_is_not_learnt_by_being_used() -> None:
    """Beside an owner at home it counts in full, also from the key's first hour on."""
    days = 4
    owner = [event(START + HOUR * n) for n in range(24 * days)]
    thief = [event(START + 600.0 + HOUR * n, client_ip=ABROAD) for n in range(24 * days)]
    log = [control("key", AUSTRIA), *messages(in_time(owner, thief))]
    found = listen(log)[-1].key
    assert [each.country for each in found.newcomers] == ["BR"]
    assert findings("forbidden_country", lambda: log)[-1].score == 5.5


def test_an_airport_or_a_cloud_counts_less_than_a_line_abroad() -> None:
    line, cloud = (
        max(each.score for each in findings("forbidden_country", example))
        for example in FIRES.values()
    )
    first = findings("forbidden_country", FIRES["Brazil, where only Austria is allowed"])[0]
    assert cloud < first.score < line


def test_a_cloud_beside_a_line_abroad_excuses_nothing() -> None:
    abroad = [*burst(NOW, 5, client_ip=CLOUD), *burst(NOW, 5, client_ip=ABROAD)]
    found = findings("forbidden_country", lambda: honest(abroad, record=AUSTRIA))
    assert max(each.score for each in found) == 5.5
