"""The journals of stages that run on Kafka: one remembers in a state topic, one only moves on."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiokafka import TopicPartition
from msgspec import Struct

from pipeline.journal import Hand, body_of
from pipeline.workers.role import Record, to_message
from pipeline.workers.state_log import Committed, Offsets, StateLog
from schemas.topics import Topic


class StateJournal:
    """The journal of a stage that remembers: a transaction at each commit."""

    def __init__(self, log: StateLog, committed: Committed, anew: Offsets) -> None:
        """Go on where the writer before stopped.

        Args:
            log: open.
            committed: what that one left.
            anew: where to go on instead, durable with the first commit: a worker that takes over
                in the middle finds states, and would not begin anew any more.
        """
        self._log = log
        self._states = committed.states
        self._next_offsets = {**committed.next_offsets, **anew}
        self._changed: dict[str, bytes | None] = {}
        self._offsets: dict[TopicPartition, int] = dict(anew)
        self._published = False

    @property
    def dirty(self) -> bool:
        """Whether something was published or remembered since the last commit."""
        return self._published or bool(self._changed)

    async def publish(
        self,
        topic: Topic,
        value: Struct | bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a record in the open transaction."""
        self._published = True
        await self._log.send(topic, body_of(value), key=key, headers=headers)

    def get(self, key: str) -> bytes | None:
        """What is remembered under a key."""
        return self._states.get(key)

    def put(self, key: str, value: bytes | None) -> None:
        """Remember, or forget (None)."""
        self._changed[key] = value
        if value is None:
            self._states.pop(key, None)
        else:
            self._states[key] = value

    def keys(self) -> list[str]:
        """Every key under which something is remembered."""
        return list(self._states)

    async def catch_up(self, topics: Sequence[Topic], hand: Hand) -> bool:
        """Hand over what is new on topics; whether that is everything. It does not come again."""
        places = {self._log.place(topic): topic.name for topic in topics}

        async def take(place: TopicPartition, record: Record) -> None:
            if not self.is_handled(place, record.offset):
                await hand(to_message(places[place], record))
                self.handled(place, record.offset)

        starts = {place: self._next_offsets.get(place, 0) for place in places}
        return await self._log.read_on(starts, take)

    def is_handled(self, place: TopicPartition, offset: int) -> bool:
        """Whether a message that comes was dealt with before, here or by an earlier worker."""
        next_offset: int = self._next_offsets.get(place, 0)
        return offset < next_offset

    def handled(self, place: TopicPartition, offset: int) -> None:
        """Let the next commit carry the position after a message."""
        self._offsets[place] = self._next_offsets[place] = offset + 1

    async def commit(self) -> None:
        """End the transaction, if there is anything in it."""
        if not (self.dirty or self._offsets):
            return
        changed, self._changed = self._changed, {}
        offsets, self._offsets = self._offsets, {}
        self._published = False
        await self._log.commit(changed.items(), offsets)

    async def close(self) -> None:
        """Drop what was not committed."""
        await self._log.close()


class AckJournal:
    """The journal of a stage without a memory: a commit moves the positions."""

    dirty = False
    """Never: there is nothing but positions to commit."""

    def __init__(self, commit_offsets: Callable[[Offsets], Awaitable[None]]) -> None:
        self._commit_offsets = commit_offsets
        self._offsets: dict[TopicPartition, int] = {}

    async def publish(
        self,
        topic: Topic,
        value: Struct | bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Refused: nothing would make it durable together with the positions."""
        raise NotImplementedError(f"a stage without a state topic cannot write to {topic.name}")

    def get(self, key: str) -> bytes | None:
        """Nothing."""
        del key
        return None

    def put(self, key: str, value: bytes | None) -> None:
        """Refused: there is nowhere to keep it."""
        raise NotImplementedError(f"a stage without a state topic cannot remember {key}")

    def keys(self) -> list[str]:
        """Nothing."""
        return []

    async def catch_up(self, topics: Sequence[Topic], hand: Hand) -> bool:
        """Nothing: it would come again."""
        del topics, hand
        return False

    def is_handled(self, place: TopicPartition, offset: int) -> bool:
        """Never known: what comes again is handled again, and the stage recognises it."""
        del place, offset
        return False

    def handled(self, place: TopicPartition, offset: int) -> None:
        """Let the next commit carry the position after a message."""
        self._offsets[place] = offset + 1

    async def commit(self) -> None:
        """Commit the positions of the messages that the stage has handled."""
        offsets, self._offsets = self._offsets, {}
        if offsets:
            await self._commit_offsets(offsets)

    async def close(self) -> None:
        """Forget the positions: the messages come again, here or elsewhere."""
        self._offsets = {}
