"""Of many keys only some are kept ready to be used: what a worker holds in memory is bounded."""

from pipeline.config import Config
from pipeline.default_rules import default_rules
from pipeline.engine.states import States
from tests.support.events import KEY, START, event, packed, run

READY_BYTES_MAX = 30_000
"""Of a key in use, with a history (`make bench-capacity` prints it)."""
WORKER_BYTES_MAX = 3_000_000_000
PARTITIONS = Config().kafka.partitions


def test_a_worker_that_holds_every_partition_keeps_so_much_ready() -> None:
    ready = default_rules(Config()).in_use_max * PARTITIONS
    assert ready * READY_BYTES_MAX <= WORKER_BYTES_MAX


def test_what_was_used_longest_ago_is_put_away_and_found_again() -> None:
    raw = run([packed([event(START)])]).states[KEY]
    assert raw is not None
    states = States(in_use_max=2)
    for name in "abc":
        states.restore(name, raw)
        assert states.find(name)
        states.put_away([name])
    assert list(states.in_use) == ["b", "c"]
    assert "a" in states
    assert states.find("a")
    assert len(states) == 3
