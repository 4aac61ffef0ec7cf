"""Faults of the real stack, one after another while traffic goes on."""

from collections.abc import Awaitable, Callable

from tests.faults import real_outside as outside
from tests.faults import real_workers as workers
from tests.faults.outcome import Outcome
from tests.faults.real_ends import terminate
from tests.faults.real_stack import RealStack

Fault = Callable[[RealStack], Awaitable[Outcome]]
FAULTS: tuple[Fault, ...] = (
    workers.nothing,
    outside.store,
    outside.full_disk,
    outside.slack,
    outside.gateway,
    outside.between,
    workers.kills,
    workers.rebalances,
    workers.hangs,
    workers.zombies,
    workers.mid_write,
    workers.clock,
    workers.compaction,
    workers.from_nothing,
    terminate,
    outside.broker,
    outside.both_gone,
)
