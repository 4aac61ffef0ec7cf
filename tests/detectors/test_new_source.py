"""Examples of `new_source`: what it fires on, and near misses."""

import pytest
from msgspec.structs import replace

from detectors.baselines.newcomers import STRANGE_NATS
from schemas.key_record import KeyRecord
from tests.support.events import (
    ABROAD,
    CLOUD,
    HOUR,
    KEY,
    burst,
    in_time,
    messages,
    office,
    run,
    thief,
    workday,
)
from tests.support.examples import NOW, TODAY, Example, findings, honest

HOUR_0 = 500_000
"""Hours since 1970."""
FIRES: dict[str, Example] = {
    "another country": lambda: honest(thief(NOW, 40, cost_usd=0.01)),
    "Tor": lambda: honest(thief(NOW, 20, client_ip="185.220.101.4")),
}
QUIET: dict[str, Example] = {
    "a new colleague in the office": lambda: honest(burst(NOW, 20, client_ip="84.112.20.77")),
    "an address that is none": lambda: honest(burst(NOW, 20, client_ip="nonsense")),
    "a private address": lambda: honest(burst(NOW, 3, client_ip=None)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("new_source", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("new_source", example)


def test_a_rented_machine_is_no_place_to_move_to_whatever_it_does() -> None:
    """Who copied the key can copy the program; a big cloud may be the owner's next region."""

    def scores(client_ip: str) -> list[float]:
        other = burst(NOW, 30, client_ip=client_ip)
        found = findings("new_source", lambda: honest(burst(NOW, 60), other))
        return [each.score for each in found] or [0.0]

    rented = scores("95.216.33.5")  # Hetzner
    assert rented[0] == max(rented) > 5.0
    assert max(scores(CLOUD)) <= 6.0
    for another in ("140.82.113.4", "38.104.10.9"):  # GitHub, Cogent
        assert scores(another)[0] < 3.0


def test_tor_is_no_place_to_move_to_even_with_the_owners_tools() -> None:
    """While the owner is silent, another line abroad may be the owner, who travels."""
    tor, abroad = (
        max((each.score for each in findings("new_source", moved)), default=0.0)
        for moved in (
            lambda: honest(burst(NOW + 4 * HOUR, 30, client_ip="185.220.101.4")),
            lambda: honest(burst(NOW + 4 * HOUR, 30, client_ip=ABROAD)),
        )
    )
    beside = findings(
        "new_source",
        lambda: honest(
            burst(NOW + 4 * HOUR, 30), burst(NOW + 4 * HOUR, 30, client_ip="185.220.101.4")
        ),
    )
    assert tor > abroad + 3.0
    assert tor >= max(each.score for each in beside)


@pytest.mark.parametrize("client_ip", ["10.20.3.4", "165.225.72.9"])
def test_an_address_from_within_is_hardly_strange(client_ip: str) -> None:
    """A proxy before the gateway, or of the whole company, shows such; a thief is outside."""
    found = findings("new_source", lambda: honest(burst(NOW, 40, client_ip=client_ip)))
    assert max((each.score for each in found), default=0.0) <= STRANGE_NATS


def test_a_country_that_the_owner_lists_is_no_new_country() -> None:
    stranger = burst(NOW, 100, client_ip=ABROAD)
    known, listed = (
        honest(burst(NOW, 30), stranger, record=KeyRecord(key_id=KEY, allowed_countries=countries))
        for countries in (None, ["at", "br"])
    )
    abroad, expected = findings("new_source", lambda: known), findings("new_source", lambda: listed)
    assert "a country never seen" in abroad[-1].summary
    assert "a network never seen" in expected[-1].summary
    assert expected[-1].score < abroad[-1].score - 1.0
    assert findings("interleaved", lambda: known)
    assert not findings("interleaved", lambda: listed)


VPN_AT_AWS = "34.245.12.7"


@pytest.mark.parametrize(("requests", "paged"), [(1, False), (12, True)])
def test_a_stray_wakes_nobody(requests: int, *, paged: bool) -> None:
    """A developer at home runs the service once; who goes on is none."""
    tried = burst(NOW, requests, client_ip=ABROAD, user_agent="Go-http-client/2.0")
    assert bool(run(honest(burst(NOW, 30), tried)).pages()) is paged


@pytest.mark.parametrize(
    ("requests", "changes", "paged"),
    [
        (40, {}, False),
        (100, {}, True),
        (12, {"cost_usd": 0.1}, True),
        (12, {"client_ip": "95.216.33.5"}, True),  # Hetzner
        (12, {"user_agent": "Go-http-client/2.0"}, True),
        (8, {"client_ip": VPN_AT_AWS}, False),
        (100, {"client_ip": VPN_AT_AWS}, True),
        (8, {"client_ip": VPN_AT_AWS, "user_agent": "Go-http-client/2.0"}, True),
        (8, {"client_ip": "185.220.101.4"}, True),  # Tor
    ],
    ids=[
        "a trial",
        "too often",
        "too dear",
        "a rented machine",
        "a program",
        "from a cloud",
        "too often from a cloud",
        "a program in a cloud",
        "through Tor",
    ],
)
def test_who_tries_a_key_by_hand_wakes_nobody(
    requests: int, changes: dict[str, object], *, paged: bool
) -> None:
    by_hand = burst(NOW, requests, client_ip=ABROAD, user_agent="curl/8.9")
    tried = [replace(each, **changes) for each in by_hand]
    assert bool(run(honest(burst(NOW, 30), tried)).pages()) is paged


@pytest.mark.parametrize(
    ("requests", "changes", "paged"),
    [
        (5, {}, False),
        (40, {}, True),
        (12, {"cost_usd": 0.1}, True),
        (5, {"client_ip": ABROAD}, True),
        (5, {"user_agent": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15"}, True),
    ],
    ids=["a trial", "too often", "too dear", "abroad", "a telephone"],
)
def test_who_tries_a_key_in_its_own_country_wakes_nobody(
    requests: int, changes: dict[str, object], *, paged: bool
) -> None:
    """By whatever tool: more of them are colleagues at home than thieves next door."""
    at_home = burst(
        NOW, requests, client_ip="91.112.7.7", user_agent="Go-http-client/2.0", input_tokens=40
    )
    tried = [replace(each, **changes) for each in at_home]
    assert bool(run(honest(burst(NOW, 30), tried)).pages()) is paged


def at_home(at: float = NOW, user_agent: str = "Go-http-client/2.0") -> float:
    """The most that is said of five requests from a line in the key's own country."""
    tried = burst(at, 5, client_ip="91.112.7.7", user_agent=user_agent, input_tokens=40)
    log = messages(in_time(office(TODAY), burst(NOW, 30), tried))
    return max((each.score for each in findings("new_source", lambda: log)), default=0.0)


def test_telephones_and_forgotten_keys_are_not_tried_at_home() -> None:
    trial = at_home()
    assert at_home(user_agent="Mozilla/5.0 (iPhone) AppleWebKit/605.1.15") > trial + 1.0
    assert at_home(at=workday(TODAY + 20, 10)) > trial + 0.5
