"""How long a whole address stays in a key's state, as docs/operations.md and security.md say."""

import pytest

from pipeline.engine import PartitionFold
from tests.support.events import CLOUD, DAY, HOME, HOUR, KEY, MINUTE, START, event, rules, single

ADDRESS = HOME[0].encode()
STAYS_MINUTES = 75


class Watched:
    """A key's state as it is stored, event by event."""

    def __init__(self) -> None:
        self._fold = PartitionFold(rules())
        self._states: dict[str, bytes | None] = {}

    def take(self, at: float, address: str, key_id: str = KEY) -> None:
        """Fold an event and save."""
        self._fold.fold(single(event(at, client_ip=address, key_id=key_id)))
        self._states.update(self._fold.checkpoint().states)

    @property
    def names_it(self) -> bool:
        return ADDRESS in (self._states[KEY] or b"")


@pytest.mark.parametrize("minute", [0, 4, 5, 29, 44, 45, 49, 50, 54, 55, 59])
def test_of_a_key_in_use_it_goes_soon_after_its_hour(minute: int) -> None:
    key, first = Watched(), START + minute * MINUTE
    key.take(first, HOME[0])
    assert key.names_it
    for later in range(1, STAYS_MINUTES + 1):
        key.take(first + later * MINUTE, CLOUD)
    assert not key.names_it


def test_of_a_silent_key_it_stays_until_it_is_used_again() -> None:
    key = Watched()
    key.take(START, HOME[0])
    for days in range(1, 40):
        key.take(START + days * DAY, CLOUD, "another")
    assert key.names_it
    key.take(START + 40 * DAY, CLOUD)
    assert not key.names_it


def test_so_a_backlog_of_its_own_is_judged_as_if_there_were_no_other_key() -> None:
    """Were its state thinned by the clocks of others, their events would change what it says."""
    alone, among = PartitionFold(rules()), PartitionFold(rules())
    mine = [event(START + number * MINUTE, client_ip=HOME[0]) for number in range(90)]
    states = []
    for fold in (alone, among):
        fold.fold(*map(single, mine[:45]))
        if fold is among:
            fold.fold(*[single(event(START + n * HOUR, key_id="another")) for n in range(24 * 30)])
            fold.checkpoint()
        fold.fold(*map(single, mine[45:]))
        states.append(dict(fold.checkpoint().states)[KEY])
    assert states[0] == states[1]
