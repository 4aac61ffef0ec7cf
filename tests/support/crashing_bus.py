"""The log within one process, whose stages die where a test says so, and come back."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from pipeline.journal import Stage
from pipeline.memory_bus import Append, Logs, MemoryBus, MemoryJournal
from schemas.topics import Topic

Fault = Callable[[str], None]
"""Called with `publish`, `commit` (before it) and `committed` (after it); raises to crash there."""


def never(point: str) -> None:
    """Crash nowhere."""
    del point


class CrashingJournal(MemoryJournal):
    """A journal that may crash at each of its steps."""

    def __init__(self, append: Append, logs: Logs, *, fault: Fault, uncommitted: bool) -> None:
        super().__init__(append, logs)
        self._fault = fault
        self._uncommitted = uncommitted

    async def publish(
        self,
        topic: Topic,
        value: Struct | bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a record at the next commit, or show it to readers before."""
        self._fault("publish")
        await super().publish(topic, value, key=key, headers=headers)
        if self._uncommitted:
            self._append(self._outbox.pop())

    async def commit(self) -> None:
        """Make everything since the last commit durable at once."""
        self._fault("commit")
        await super().commit()
        self._fault("committed")


class CrashingBus(MemoryBus):
    """A bus whose stages may crash.

    Args:
        stages: those that read it.
        now: Unix seconds, stamped on messages.
        fault: where to crash.
        uncommitted: what is published can be read although its stage crashed before the commit,
            as by those readers of Kafka that do not ask for what was committed.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        now: Callable[[], float],
        fault: Fault = never,
        *,
        uncommitted: bool = False,
    ) -> None:
        self.uncommitted = uncommitted
        super().__init__(
            stages, now, partial(CrashingJournal, fault=fault, uncommitted=uncommitted)
        )

    def restart(self, old: Stage, new: Stage) -> None:
        """Put a new stage in the place of one that died: what it had not committed is lost."""
        self._journals[old].drop()
        self._journals = {
            new if stage is old else stage: journal for stage, journal in self._journals.items()
        }
