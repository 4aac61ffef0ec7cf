"""Examples of `slow_ramp`: what it fires on, and near misses."""

import pytest

from pipeline.message import Message
from tests.support.events import burst, in_time, messages, office, workday
from tests.support.examples import NOW, Example, findings, honest


def ramp(growth: float) -> list[Message]:
    """Three weeks of working days, each busier than the one before."""
    days = [day for day in range(14, 35) if day % 7 < 5]
    more = [
        burst(workday(day, hour), round(6 * growth**number), seconds=3500)
        for number, day in enumerate(days)
        for hour in range(8, 18)
    ]
    return messages(in_time(office(14), *more))


FIRES: dict[str, Example] = {
    "a third more every day": lambda: ramp(1.3),
}
QUIET: dict[str, Example] = {
    "week after week the same": lambda: messages(office(42)),
    "two busy hours": lambda: honest(burst(NOW, 100, seconds=7200)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("slow_ramp", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("slow_ramp", example)
