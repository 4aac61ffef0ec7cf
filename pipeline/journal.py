"""How a stage writes: what it publishes, what it remembers, and when both become durable.

A stage never sees Kafka. It is handed a `Journal` with each message; whatever it published and
remembered becomes durable together at `commit`, and the position of the message with the last
commit, after the stage has returned. A stage that acts on the outside world commits its intent
first, acts, and then records the outcome. A commit takes as long as hundreds of messages do, so
those that have no such effect share one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from pipeline.message import Message
from schemas.codec import encode
from schemas.topics import Topic

Hand = Callable[[Message], Awaitable[None]]
"""Takes a message."""


class Journal(Protocol):
    """Where a stage's effects go."""

    async def publish(
        self,
        topic: Topic,
        value: Struct | bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a record; a struct goes as JSON. Durable at the next commit."""

    def get(self, key: str) -> bytes | None:
        """What the stage remembers under a key."""

    def put(self, key: str, value: bytes | None) -> None:
        """Remember a value under a key, or forget it (None). Durable at the next commit."""

    def keys(self) -> list[str]:
        """Every key under which the stage remembers something."""

    async def catch_up(self, topics: Sequence[Topic], hand: Hand) -> bool:
        """Hand over what was written to topics by now, and would come later by itself.

        Args:
            topics: others than that of the message in hand.
            hand: takes each message.

        Returns:
            Whether that is everything: not while a transaction on one of them is open.

        Raises:
            Exception: it cannot be read; the process must end.
        """

    async def commit(self) -> None:
        """Make everything published and remembered so far durable.

        Raises:
            Exception: it did not become durable; the process must end.
        """


def body_of(value: Struct | bytes) -> bytes:
    """What is published, as it stands in its topic."""
    return value if isinstance(value, bytes) else encode(value)


def remembered(prefix: str, journal: Journal) -> list[str]:
    """What follows a prefix in the names under which a stage remembers something, sorted."""
    names = journal.keys()
    return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))


class Stage(Protocol):
    """One step of the pipeline."""

    reads: tuple[Topic, ...]
    """The topics whose messages it handles."""
    first: tuple[Topic, ...]
    """Those that it must have heard before it deals with anything else; once more from their
    beginning when it remembers nothing. They only add to what it remembers, or passes on."""
    acts_on: tuple[Topic, ...]
    """Those whose messages make it act on the outside world: what it did for one of them becomes
    durable before it is handed the next. What it did for others may become durable together."""

    async def handle(self, message: Message, journal: Journal) -> None:
        """Deal with one message.

        A message may come again after a crash; what the stage did for it is recognised by the
        deterministic ids in it.

        Raises:
            Exception: the stage cannot go on; the process ends and the message comes again.
        """

    async def tick(self, now: float, journal: Journal) -> None:
        """Called about once a second with Unix seconds, for deadlines and retries."""
