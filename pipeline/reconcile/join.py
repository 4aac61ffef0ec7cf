"""Whose a bill is: from the provider's key to the gateway keys behind it. Pure.

Exactly one gateway key: the bill is that key's. None: it is the provider's key's own. Several: it
is the provider's key's own, too, and is compared with what all of them used together, which the
detectors of their partitions are asked for first.

A key that went to another provider's key still answers for the windows in which it was there.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from schemas.fields import epoch
from schemas.gateway_use import GatewayUse, UseAnswer, UseQuestion
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.provider_usage import JoinedUsage, ProviderUsage

QUESTION_BYTES_MAX: Final = 12 * 1024
"""Of key ids in one question."""
ROUNDS_MAX: Final = 10_000
"""Windows of shared keys that wait for answers; beyond it the oldest is given up."""
LINES_MAX: Final = 256
"""Bills of such a window; further ones are left out, as the engine has no room for more."""
FORMER_SECONDS: Final = 50 * 3600.0
"""For so long a key that left is remembered, as the engine's records do not reach further back."""
_LEAVING_SECONDS: Final = 3600.0
"""Gateways go on with the old provider's key for a moment after the registry has the new one."""


class Round(Struct):
    """The bills of one window of a shared key, and the answers so far."""

    question_id: str
    bills: list[ProviderUsage]
    waiting: set[int]
    """Parts that have not been answered."""
    use: GatewayUse


Routed = JoinedUsage | UseQuestion


class Join:
    """The registry's keys by provider's key, and the rounds of questions that are open."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._provider_keys: dict[str, str] = {}
        self._owners: defaultdict[str, set[str]] = defaultdict(set)
        self.former: dict[str, dict[str, float]] = {}
        """By provider's key: the keys that left it, and when, in Unix seconds."""
        self.rounds: dict[str, Round] = {}
        """By provider, its key and window, oldest first."""

    def register(self, record: KeyRecord, at: float = 0.0) -> list[str]:
        """Take in an entry of the registry; it replaces the key's earlier one.

        Args:
            record: the entry.
            at: when it was told, in Unix seconds.

        Returns:
            The provider's keys whose former keys changed.
        """
        before = self._provider_keys.pop(record.key_id, None)
        changed = []
        if before is not None:
            self._owners[before].discard(record.key_id)
            if before != record.provider_key_id:
                changed = [before, *self._forget(at - FORMER_SECONDS)]
                self.former.setdefault(before, {})[record.key_id] = at
        if record.provider_key_id is not None:
            self._provider_keys[record.key_id] = record.provider_key_id
            self._owners[record.provider_key_id].add(record.key_id)
        return changed

    def route(self, bills: Iterable[ProviderUsage]) -> Iterator[Routed]:
        """Bills with the key whose they are, and questions about those of shared keys."""
        shared: dict[str, tuple[set[str], list[ProviderUsage]]] = {}
        for bill in bills:
            owners = self._owners_of(bill)
            if owners is None:
                yield _joined(bill, bill.key_id)
            elif len(owners) == 1:
                yield _joined(bill, next(iter(owners)))
            elif not owners:
                yield _joined(bill, bill.provider_key_id)
            else:
                shared.setdefault(_window(bill), (owners, []))[1].append(bill)
        for window, (owners, together) in shared.items():
            yield from self._ask(window, owners, together)

    def take(self, answer: UseAnswer) -> list[JoinedUsage]:
        """The bills that an answer was the last to be waited for, ready to be judged."""
        window = window_of(answer.question_id)
        found = self.rounds.get(window)
        if found is None or found.question_id != answer.question_id:
            return []
        if answer.part in found.waiting:
            found.waiting.remove(answer.part)
            found.use.add(answer.use)
        if found.waiting:
            return []
        del self.rounds[window]
        return [_joined(bill, bill.provider_key_id, found.use) for bill in found.bills]

    def _owners_of(self, bill: ProviderUsage) -> set[str] | None:
        """None: the bill says itself whose it is."""
        if bill.key_id is not None or bill.provider_key_id is None:
            return None
        former = self.former.get(bill.provider_key_id, {})
        start = epoch(bill.window_start)
        left = {key_id for key_id, at in former.items() if start < at + _LEAVING_SECONDS}
        return left | self._owners.get(bill.provider_key_id, set())

    def _forget(self, before: float) -> list[str]:
        """Forget who left before a time; the provider's keys that they left."""
        gone = []
        for provider_key, former in list(self.former.items()):
            kept = {key_id: at for key_id, at in former.items() if at >= before}
            if len(kept) < len(former):
                gone.append(provider_key)
                self.former[provider_key] = kept
            if not kept:
                del self.former[provider_key]
        return gone

    def _ask(
        self, window: str, owners: set[str], bills: list[ProviderUsage]
    ) -> Iterator[UseQuestion]:
        """Begin a round; one that is open for the same window begins anew."""
        before = self.rounds.pop(window, None)
        lines: dict[tuple[str, str | None], ProviderUsage] = {}
        for bill in [*(before.bills if before else ()), *bills]:
            known = lines.get(line := (bill.provider, bill.model))
            if known is None or epoch(known.observed_at) <= epoch(bill.observed_at):
                lines[line] = bill
        latest = max(epoch(each.observed_at) for each in lines.values())
        first = bills[0]
        questions = [
            UseQuestion(
                question_id=f"{window}/{latest:.3f}",
                part=part,
                key_ids=key_ids,
                window_start=first.window_start,
                window_end=first.window_end,
                provider=first.provider,
            )
            for part, key_ids in enumerate(self._parts(owners))
        ]
        self.rounds[window] = Round(
            questions[0].question_id,
            list(lines.values())[:LINES_MAX],
            {each.part for each in questions},
            GatewayUse(),
        )
        while len(self.rounds) > ROUNDS_MAX:
            del self.rounds[next(iter(self.rounds))]
        yield from questions

    def _parts(self, owners: set[str]) -> Iterator[list[str]]:
        """Keys of one partition each, few enough for a message."""
        places: defaultdict[int, list[str]] = defaultdict(list)
        for key_id in sorted(owners):
            places[partition_of(key_id, self._partitions)].append(key_id)
        for _, key_ids in sorted(places.items()):
            part: list[str] = []
            size = 0
            for key_id in key_ids:
                length = len(msgspec.json.encode(key_id)) + 1
                if part and size + length > QUESTION_BYTES_MAX:
                    yield part
                    part, size = [], 0
                part.append(key_id)
                size += length
            yield part


def _joined(
    bill: ProviderUsage, key_id: str | None, gateway: GatewayUse | None = None
) -> JoinedUsage:
    given = {name: getattr(bill, name) for name in ProviderUsage.__struct_fields__}
    return JoinedUsage(**given | {"key_id": key_id}, gateway=gateway)


def window_of(question_id: str) -> str:
    """The provider, its key and the window that a question is about: its place in `rounds`."""
    return question_id.rpartition("/")[0]


def _window(bill: ProviderUsage) -> str:
    start, end = epoch(bill.window_start), epoch(bill.window_end)
    return f"{bill.provider}/{bill.provider_key_id}/{start:.3f}/{end:.3f}"
