"""Examples of `interleaved`: what it fires on, and near misses."""

import pytest

from schemas.usage_event import UsageEvent
from tests.support.events import ABROAD, CLOUD, burst, event, workday
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


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("interleaved", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("interleaved", example)
