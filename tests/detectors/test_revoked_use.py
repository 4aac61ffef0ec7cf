"""Examples of `revoked_use`: what it fires on, and near misses."""

from typing import Any, Final, Literal

import msgspec
import pytest

from detectors.baselines.newcomers import STRANGE_NATS
from detectors.revoked_use import RevokedUse
from schemas.fields import epoch
from schemas.incident import SEVERITIES, Severity
from schemas.key_record import KeyRecord
from tests.support.events import (
    ABROAD,
    CLOUD,
    DAY,
    HOME,
    KEY,
    burst,
    control,
    in_time,
    messages,
    office,
    registered,
    run,
    workday,
)
from tests.support.examples import NOW, TODAY, Example, findings, honest, listen


def revoked(
    at: float | None, status: Literal["active", "revoked", "rotated"] = "revoked"
) -> KeyRecord:
    return KeyRecord(key_id=KEY, status=status, status_changed_at=at)


def expired(at: float) -> KeyRecord:
    return KeyRecord(key_id=KEY, expires_at=at)


EARLY: Final = workday(TODAY + 2, 5)
"""Two days and a half after the last honest request."""
BARRED: Final[dict[str, Any]] = {"status": 401, "error_type": "revoked_key", "cost_usd": 0.0}
"""A request that a gateway refuses since the key is revoked."""
FIRES: dict[str, Example] = {
    "an hour later": lambda: honest(burst(NOW, 5), record=revoked(NOW - 3600)),
    "nobody said when": lambda: honest(burst(NOW, 5), record=revoked(None)),
    "rotated, nobody said when, and a stranger comes": lambda: honest(
        burst(NOW, 5, client_ip=ABROAD), record=revoked(None, "rotated")
    ),
    "rotated a week ago": lambda: honest(burst(NOW, 5), record=revoked(NOW - 7 * DAY, "rotated")),
    "rotated a week ago, in the registry's other words": lambda: honest(
        burst(NOW, 5), record=KeyRecord(key_id=KEY, status="rotated", rotated_at=NOW - 7 * DAY)
    ),
    "expired a week ago": lambda: honest(burst(NOW, 5), record=expired(NOW - 7 * DAY)),
    "expired, and a stranger comes": lambda: honest(
        burst(NOW, 5, client_ip=ABROAD), record=expired(NOW - 3600)
    ),
    "the gateway refuses it as revoked, the registry knows nothing": lambda: honest(
        burst(NOW, 5, **BARRED)
    ),
    "the same, of a key that the registry calls active": lambda: honest(
        burst(NOW, 5, **BARRED), record=revoked(None, "active")
    ),
}
QUIET: dict[str, Example] = {
    "under way": lambda: honest(burst(NOW, 5, seconds=60), record=revoked(NOW)),
    "just rotated": lambda: honest(burst(NOW, 5), record=revoked(NOW - 3600, "rotated")),
    "rotated, nobody said when": lambda: honest(burst(NOW, 5), record=revoked(None, "rotated")),
    "just expired": lambda: honest(burst(NOW, 5), record=expired(NOW - 3600)),
    "not yet expired": lambda: honest(burst(NOW, 5), record=expired(NOW + 60)),
    "refused, but for another reason": lambda: honest(
        burst(NOW, 5, status=401, error_type="invalid_api_key", cost_usd=0.0)
    ),
    "served, whatever it says of a revoked key": lambda: honest(
        burst(NOW, 5, error_type="revoked_key")
    ),
    "active": lambda: honest(burst(NOW, 5), record=revoked(NOW - 3600, "active")),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("revoked_use", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("revoked_use", example)


def test_a_stranger_who_tries_a_dead_key_pages_and_its_owner_does_not() -> None:
    own = run(honest(burst(NOW, 5, **BARRED))).incidents
    stranger = run(honest(burst(NOW, 5, client_ip=ABROAD, **BARRED))).incidents
    assert [each.severity for each in own] == ["ticket"]
    assert {each.cause for each in (*own, *stranger)} == {"revoked_use"}
    assert stranger[-1].severity == "page"


def urgency(record: KeyRecord, status: int = 200, client_ip: str = HOME[0]) -> list[Severity]:
    """Of five requests before the office opens, after the key's end."""
    return [
        each.severity
        for each in run(
            honest(burst(EARLY, 5, status=status, client_ip=client_ip), record=record)
        ).incidents
    ]


@pytest.mark.parametrize(
    "record",
    [revoked(EARLY - 3600), revoked(EARLY - 2.1 * DAY, "rotated"), expired(EARLY - 2.1 * DAY)],
    ids=["revoked", "rotated", "expired"],
)
def test_a_forgotten_job_that_is_refused_can_wait_until_the_morning(record: KeyRecord) -> None:
    assert urgency(record, status=401) == ["ticket"]
    assert urgency(record)[-1] == "page", "it is served"
    assert urgency(record, status=401, client_ip=ABROAD)[-1] == "page", "a stranger tries it"


@pytest.mark.parametrize(
    ("client_ip", "severity"), [(CLOUD, "ticket"), ("95.216.33.5", "page")], ids=["job", "Hetzner"]
)
def test_a_dead_key_with_which_nobody_was_let_in(client_ip: str, severity: Severity) -> None:
    first = workday(0, 2)
    dead = KeyRecord(
        key_id=KEY, status="revoked", status_changed_at=first - DAY, created_at=first - 90 * DAY
    )
    tries = {**BARRED, "client_ip": client_ip, "user_agent": "node-fetch/1.0"}
    nights = [burst(first + night * DAY, 2, seconds=30, **tries) for night in range(30)]
    log = [registered(dead, first - 7 * DAY), *messages(in_time(*nights), 60)]
    told = {each.severity for each in run(log).incidents if each.status == "open"}
    assert max(told, key=SEVERITIES.index) == severity


def test_of_a_key_without_addresses_nobody_knows_who_tries_it() -> None:
    days = [msgspec.structs.replace(each, client_ip=None) for each in office(TODAY)]
    tries = burst(EARLY, 5, status=401, client_ip=None)
    log = [control("key", revoked(EARLY - 3600)), *messages(in_time(days, tries), 60)]
    assert run(log).incidents[-1].severity == "page"


@pytest.mark.parametrize(
    ("log", "own_nats"),
    [
        (lambda: honest(burst(NOW, 5, client_ip=ABROAD), record=revoked(NOW - DAY, "rotated")), 0),
        (lambda: honest(burst(NOW, 5, client_ip=ABROAD, **BARRED)), 3),
    ],
    ids=["rotated", "refused by the gateway"],
)
def test_a_forgotten_job_may_run_at_another_address_of_the_owners(
    log: Example, own_nats: float
) -> None:
    key = [each.key for each in listen(log()) if each.detector == "revoked_use"][-1]
    strangers = RevokedUse().judge(key)
    for newcomer in key.newcomers:
        newcomer.nats = STRANGE_NATS - 0.1
    own = RevokedUse().judge(key)
    assert strangers is not None
    assert (own.score if own else 0) <= own_nats < strangers.score


def test_that_a_known_thief_is_locked_out_is_no_news() -> None:
    log = honest(burst(NOW, 5, client_ip=ABROAD, **BARRED))
    key = [each.key for each in listen(log) if each.detector == "revoked_use"][-1]
    assert RevokedUse().judge(key) is not None
    for stranger in key.newcomers:
        stranger.hostile = True
    assert RevokedUse().judge(key) is None


def test_what_was_served_before_the_key_died_is_no_use_of_a_dead_key() -> None:
    served = burst(NOW, 20, seconds=60)
    tries = burst(NOW + 200, 3, seconds=30, **BARRED)
    own = run(honest(in_time(served, tries), record=revoked(NOW + 65))).incidents
    assert [each.severity for each in own] == ["ticket"]
    assert "1 request in 1 minute, 0 served" in own[0].signals[0].summary


def test_what_a_gateway_refuses_began_with_the_first_refusal() -> None:
    served = burst(NOW, 20, seconds=60)
    tries = burst(NOW + 200, 3, seconds=30, **BARRED)
    (first, *_) = run(honest(in_time(served, tries))).incidents
    assert epoch(first.opened_at) == NOW + 180
