"""Examples of `canary`: what it fires on, and near misses."""

import pytest

from schemas.key_record import KeyRecord
from tests.support.events import KEY, control, event, run, single
from tests.support.examples import NOW, Example, findings

FIRES: dict[str, Example] = {
    "one request": lambda: [control("key", KeyRecord(key_id=KEY, canary=True)), single(event(NOW))],
    "one refused request": lambda: [
        control("key", KeyRecord(key_id=KEY, canary=True)),
        single(event(NOW, status=401)),
    ],
}
QUIET: dict[str, Example] = {
    "a key in use": lambda: [control("key", KeyRecord(key_id=KEY)), single(event(NOW))],
    "a key that nobody registered": lambda: [single(event(NOW))],
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("canary", example)


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_whoever_touches_it_wakes_somebody_at_once(example: Example) -> None:
    (page,) = run(example()).pages()
    assert page.cause == "leaked"


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("canary", example)
