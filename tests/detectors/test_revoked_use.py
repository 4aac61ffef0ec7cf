"""Examples of `revoked_use`: what it fires on, and near misses."""

from typing import Literal

import pytest

from schemas.key_record import KeyRecord
from tests.support.events import ABROAD, DAY, KEY, burst
from tests.support.examples import NOW, Example, findings, honest


def revoked(
    at: float | None, status: Literal["active", "revoked", "rotated"] = "revoked"
) -> KeyRecord:
    return KeyRecord(key_id=KEY, status=status, status_changed_at=at)


def expired(at: float) -> KeyRecord:
    return KeyRecord(key_id=KEY, expires_at=at)


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
}
QUIET: dict[str, Example] = {
    "under way": lambda: honest(burst(NOW, 5, seconds=60), record=revoked(NOW)),
    "just rotated": lambda: honest(burst(NOW, 5), record=revoked(NOW - 3600, "rotated")),
    "rotated, nobody said when": lambda: honest(burst(NOW, 5), record=revoked(None, "rotated")),
    "just expired": lambda: honest(burst(NOW, 5), record=expired(NOW - 3600)),
    "not yet expired": lambda: honest(burst(NOW, 5), record=expired(NOW + 60)),
    "active": lambda: honest(burst(NOW, 5), record=revoked(NOW - 3600, "active")),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("revoked_use", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("revoked_use", example)
