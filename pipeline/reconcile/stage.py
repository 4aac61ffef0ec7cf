"""Reconcile as a stage: what detection must know, from topics of its own into the log.

Detection reads one topic. This stage puts registry entries and bills there as control records,
each into the partition of the key that it concerns. Kafka has no order across topics, so bills
wait until the registry has been silent for a moment.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

import msgspec

from pipeline.config import Config, ConfigError
from pipeline.journal import Journal
from pipeline.message import Message
from pipeline.pause import Pause
from pipeline.reconcile.join import Join, Round, Routed, window_of
from pipeline.reconcile.registry_file import ENTRY, news_of
from pipeline.registry import entry_of, key_of
from pipeline.replay.lines import ReplayError, read_registry
from schemas.codec import Refused, decode_control, decode_record, encode
from schemas.gateway_use import UseAnswer
from schemas.key_record import KeyRecord
from schemas.provider_usage import JoinedUsage, ProviderUsage
from schemas.redaction import beginning
from schemas.topics import (
    GATEWAY_USE,
    KEYS,
    PROVIDER_USAGE,
    RECORD_HEADER,
    TOLD_HEADER,
    USAGE_EVENTS,
    Topic,
)

log = logging.getLogger(__name__)

SILENCE_SECONDS: Final = 2.0
"""Bills wait until no registry entry has come for so long."""
LOADED_AT_ONCE: Final = 10_000
"""Entries of the registry's file that a tick puts into the topic: no transaction lasts long."""
BILLS_MAX: Final = 20_000
"""Bills that wait; beyond it they are routed without waiting."""
_BILL: Final = "bill/"
_ROUND: Final = "round/"
_FORMER: Final = "former/"


class ReconcileStage:
    """Hands registry entries and bills on to the partitions that they concern."""

    reads: tuple[Topic, ...] = (KEYS, PROVIDER_USAGE, GATEWAY_USE)
    first: tuple[Topic, ...] = (KEYS,)
    acts_on: tuple[Topic, ...] = ()

    def __init__(
        self, partitions: int, registry: Iterable[KeyRecord] | None, now: Callable[[], float]
    ) -> None:
        """Start with nothing remembered.

        Args:
            partitions: how many `usage-events` has.
            registry: entries of the file, to be put into the topic `keys` where the file says
                something new, and withdrawn where it says no more: who wrote to the topic after
                it had the last word. None: there is no file, and what it said stays.
            now: Unix seconds.
        """
        self._join = Join(partitions)
        self._registry: Mapping[str, KeyRecord] | None = (
            None if registry is None else {each.key_id: each for each in registry}
        )
        """Until its loading begins."""
        self._news: Iterator[tuple[str, bytes]] = iter(())
        """What of it is not in the topic yet."""
        self._now = now
        self._bills: dict[str, ProviderUsage] = {}
        """By name in the journal, in order."""
        self._silence = Pause(now(), now() + SILENCE_SECONDS)
        self._remembers = False

    @classmethod
    def from_config(cls, config: Config, now: Callable[[], float] = time.time) -> "ReconcileStage":
        """The stage as configured.

        Raises:
            ConfigError: the key registry cannot be read.
        """
        registry = None if config.keys is None else configured_registry(config)
        return cls(config.kafka.partitions, registry, now)

    async def handle(self, message: Message, journal: Journal) -> None:
        """Take a message in; bills leave at a tick."""
        self._remember(journal)
        try:
            if message.topic == KEYS.name:
                await self._entry(message, journal)
            elif message.topic == GATEWAY_USE.name:
                await self._answer(decode_record(message.value, UseAnswer), journal)
            else:
                self._bill(message, journal)
        except Refused as refused:  # the sink keeps it as a dead letter
            log.warning(
                "%s at offset %d is refused, key %s: %s",
                message.topic,
                message.offset,
                beginning(key_of(message)),
                refused.detail,
            )
        if len(self._bills) > BILLS_MAX:
            await self._route(journal)

    async def tick(self, now: float, journal: Journal) -> None:
        """Load the registry once, a part at each tick, and route bills when it is silent."""
        self._remember(journal)
        registry, self._registry = self._registry, None
        if registry is not None:
            self._news = news_of(registry, journal)
        await self._load(journal)
        if self._bills and self._silence.over(now):
            await self._route(journal)

    async def _load(self, journal: Journal) -> None:
        for key_id, body in islice(self._news, LOADED_AT_ONCE):
            now = self._now()
            self._silence = Pause(now, now + SILENCE_SECONDS)
            await journal.publish(KEYS, body, key=key_id)

    def _remember(self, journal: Journal) -> None:
        if self._remembers:
            return
        self._remembers = True
        for name in sorted(journal.keys()):
            value = journal.get(name) or b""
            if name.startswith(ENTRY):
                self._join.register(decode_record(value, KeyRecord))
            elif name.startswith(_FORMER):
                former = msgspec.json.decode(value, type=dict[str, float])
                self._join.former[name.removeprefix(_FORMER)] = former
            elif name.startswith(_BILL):
                self._bills[name] = decode_record(value, ProviderUsage)
            elif name.startswith(_ROUND):
                window = name.removeprefix(_ROUND)
                self._join.rounds[window] = msgspec.json.decode(value, type=Round)

    async def _entry(self, message: Message, journal: Journal) -> None:
        record = entry_of(message)  # one taken out: from now on learnt from its traffic
        raw = encode(record)
        if journal.get(ENTRY + record.key_id) == raw:
            return
        now = self._now()
        self._silence = Pause(now, now + SILENCE_SECONDS)
        for provider_key in self._join.register(record, message.appended_at):
            former = self._join.former.get(provider_key)
            name = _FORMER + provider_key
            journal.put(name, None if former is None else msgspec.json.encode(former))
        journal.put(ENTRY + record.key_id, raw)
        header = {RECORD_HEADER: "key", TOLD_HEADER: f"{message.appended_at:.0f}"}
        await journal.publish(USAGE_EVENTS, raw, key=record.key_id, headers=header)

    def _bill(self, message: Message, journal: Journal) -> None:
        name = f"{_BILL}{message.offset:020}"
        bill = self._bills[name] = decode_control(message.value, ProviderUsage)
        journal.put(name, encode(bill))

    async def _route(self, journal: Journal) -> None:
        bills, self._bills = self._bills, {}
        for name in bills:
            journal.put(name, None)
        before = list(self._join.rounds)
        await self._send(self._join.route(bills.values()), journal)
        for window in before:
            if window not in self._join.rounds:  # given up
                journal.put(_ROUND + window, None)

    async def _answer(self, answer: UseAnswer, journal: Journal) -> None:
        await self._send(self._join.take(answer), journal, answer)

    async def _send(
        self, routed: Iterable[Routed], journal: Journal, answer: UseAnswer | None = None
    ) -> None:
        touched = {window_of(answer.question_id)} if answer else set()
        for each in routed:
            if isinstance(each, JoinedUsage):
                header, key = {RECORD_HEADER: "provider-usage"}, each.key_id
            else:
                header, key = {RECORD_HEADER: "gateway-use"}, each.key_ids[0]
                touched.add(window_of(each.question_id))
            await journal.publish(USAGE_EVENTS, each, key=key, headers=header)
        for window in touched:
            found = self._join.rounds.get(window)
            journal.put(_ROUND + window, None if found is None else msgspec.json.encode(found))


def configured_registry(config: Config) -> list[KeyRecord]:
    """The entries of the registry's file.

    Raises:
        ConfigError: it cannot be read.
    """
    if config.keys is None:
        return []
    try:
        return read_registry(config.keys)
    except ReplayError as error:
        raise ConfigError(f"keys: {error}") from None
