"""The world outside of Kafka, in memory: a store, a Slack, a gateway. Each may fail at any call,
before it acted or after.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.notify.kit import Card
from pipeline.notify.slack import LOOK_BACK_SECONDS, SlackDownError
from pipeline.response.gateway import Sent
from pipeline.store.errors import StoreUnavailable
from pipeline.store.rows import Table, precedence
from schemas.action import Action
from schemas.codec import encode
from schemas.fields import epoch


class Mishaps:
    """Whether a call goes wrong, and how; deterministic for a seed."""

    def __init__(self, seed: int, count: Callable[[str], None]) -> None:
        self._random = random.Random(seed)  # noqa: S311 # repeatable, and no secret
        self._count = count
        self.shares: dict[str, float] = {}
        """By kind of fault: how many of the calls go wrong."""

    def strikes(self, fault: str) -> bool:
        """Whether this call goes wrong in this way."""
        share = self.shares.get(fault, 0.0)
        if share and self._random.random() < share:
            self._count(fault)
            return True
        return False


Row = tuple[Any, ...]


class SimStore:
    """Tables that replace rows by key: of two with the same key the higher version is shown."""

    def __init__(self, mishaps: Mishaps) -> None:
        self._mishaps = mishaps
        self.tables: dict[str, dict[Row, tuple[int, Any]]] = {}
        self.conflicts: list[str] = []
        """Rows that say something else than an earlier one with the same key and version."""

    def insert(self, table: Table[Any], records: Sequence[Any]) -> None:
        """Apply an insert, unless it is to fail.

        Raises:
            StoreUnavailable: it may have been applied.
        """
        if self._mishaps.strikes("store refuses"):
            raise StoreUnavailable("refused")
        half = len(records) // 2 if self._mishaps.strikes("store cut in the middle") else None
        for record in records[:half]:
            self._put(table.name, record)
        if half is not None or self._mishaps.strikes("store cut after the insert"):
            raise StoreUnavailable("cut")

    def rows(self, table: str) -> list[Any]:
        """What `FINAL` shows."""
        return [row for _, row in self.tables.get(table, {}).values()]

    def _put(self, table: str, record: Any) -> None:  # noqa: ANN401 - as the table has it
        key, version, shown = _identity(table, record)
        rows = self.tables.setdefault(table, {})
        known = rows.get(key)
        if known is not None and known[0] == version and encode(known[1]) != encode(shown):
            self.conflicts.append(f"{table} {key}")
        if known is None or version >= known[0]:
            rows[key] = (version, shown)


def _identity(table: str, record: Any) -> tuple[Row, int, Any]:  # noqa: ANN401 - as above
    """Key, version and row, as the tables' `ORDER BY` and engine have them."""
    if table == "usage_events":
        event = record.event
        return (event.key_id, event.event_id), precedence(*record.place), event
    if table == "spend_windows":
        key = (record.key_id, record.granularity, epoch(record.window_start))
        return key, record.version, record
    if table == "incidents":
        return (record.incident_id, record.revision), 0, record
    if table == "dead_letters":
        return (record.topic, record.partition, record.offset, record.index), 0, record
    if table == "action_results":
        return (record.action_id, record.attempt, record.status), 0, record
    return (encode(record),), 0, record


@dataclass(eq=False)
class Post:
    """A message as people see it."""

    channel: str
    ts: str
    card: Card
    thread_ts: str | None


class SimSlack:
    """A messenger whose calls fail before or after they are applied."""

    def __init__(self, mishaps: Mishaps, now: Callable[[], float]) -> None:
        self._mishaps = mishaps
        self._now = now
        self._count = 0
        self.posts: list[Post] = []

    @property
    def pages(self) -> list[Post]:
        """Messages outside of threads."""
        return [post for post in self.posts if post.thread_ts is None]

    async def post(self, channel: str, card: Card, thread_ts: str | None = None) -> str:
        self._before()
        self._count += 1
        ts = f"{int(self._now())}.{self._count:06d}"
        self.posts.append(Post(channel, ts, card, thread_ts))
        self._after()
        return ts

    async def update(self, channel: str, ts: str, card: Card) -> None:
        self._before()
        for post in self.posts:
            if (post.channel, post.ts) == (channel, ts):
                post.card = card
        self._after()

    async def remove(self, channel: str, ts: str) -> None:
        self._before()
        self.posts = [post for post in self.posts if (post.channel, post.ts) != (channel, ts)]
        self._after()

    async def find(
        self, channel: str, card: Card, since: float, thread_ts: str | None = None
    ) -> str | None:
        self._before()
        for post in self.posts:
            if float(post.ts) < since - LOOK_BACK_SECONDS:
                continue
            same = post.card.metadata == card.metadata and post.thread_ts == thread_ts
            if same and post.channel == channel:
                return post.ts
        return None

    async def whisper(self, channel: str, user: str, text: str) -> None:
        del channel, user, text
        self._before()

    def _before(self) -> None:
        if self._mishaps.strikes("slack answers 429"):
            raise SlackDownError("ratelimited", 30.0)
        if self._mishaps.strikes("slack is down"):
            raise SlackDownError("503")

    def _after(self) -> None:
        if self._mishaps.strikes("slack times out after the post"):
            raise SlackDownError("TimeoutError")


class SimGateway:
    """An adapter to a gateway that acts once for an id."""

    name = "edge"
    attempts_max = 20
    has_probe = True

    def __init__(self, mishaps: Mishaps) -> None:
        self._mishaps = mishaps
        self.effective: Counter[str] = Counter()
        self.revoked: set[str] = set()

    def objection(self, action: Action) -> str | None:
        del action
        return None

    async def act(self, action: Action, now: float) -> Sent:
        del now
        if self._mishaps.strikes("gateway answers 503"):
            return Sent("retry", "503", 503)
        if self._mishaps.strikes("gateway refuses connections"):
            return Sent("retry", "refused")
        if self._mishaps.strikes("gateway answers 404"):
            return Sent("refused", "404", 404)
        if not self.effective[action.action_id]:
            self.effective[action.action_id] += 1
            self.revoked.add(action.key_id)
        if self._mishaps.strikes("gateway times out after acting"):
            return Sent("retry", "no answer")
        return Sent("delivered", "200", 200)

    async def works(self, action: Action, now: float) -> bool | None:
        del now
        if self._mishaps.strikes("gateway's probe gives no answer"):
            return None
        return action.key_id not in self.revoked
