"""From an action to its outcome: intent recorded, sent, probed, one final result.

The gateway sees the action's id on every attempt, so that repeating after a crash or a time-out
does not act twice. Nothing here waits: what has to wait is left to `tick`.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Self

from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.journal import Journal
from pipeline.message import Message
from pipeline.metrics import OUTCOMES
from pipeline.pause import Pause, backoff
from pipeline.records import read_record
from pipeline.registry import key_record, remember_key
from pipeline.response import ledger
from pipeline.response.adapters import adapters
from pipeline.response.gate import Circumstances, Stop, gate
from pipeline.response.gateway import Adapter, Sent
from pipeline.response.ledger import Entry
from pipeline.response.policy import Policy, Rulebook
from schemas.action import Action, ActionResult, Outcome
from schemas.fields import epoch
from schemas.topics import ACTION_RESULTS, ACTIONS, KEYS, VERDICTS, Topic
from schemas.verdict import Verdict

log = logging.getLogger(__name__)

BACKOFF_SECONDS = 2.0
BACKOFF_SECONDS_MAX = 300.0
GATEWAY_PAUSE_SECONDS = 5.0
"""After a failed attempt, nothing else is sent to that gateway for so long."""
PROBES_MAX = 5
KEEP_SECONDS = 30 * 86_400.0
"""Outcomes are remembered so long; an action that comes again later is taken for one of those."""
SWEEP_SECONDS = 3600.0


class EnforceStage:
    """Carries out actions, each once."""

    reads: tuple[Topic, ...] = (ACTIONS, KEYS, VERDICTS)
    first: tuple[Topic, ...] = (KEYS, VERDICTS)
    acts_on: tuple[Topic, ...] = (ACTIONS,)

    def __init__(
        self,
        gateways: Mapping[str, Adapter],
        policy: Policy | None,
        now: Callable[[], float],
        counts: Metrics,
        default_gateway: str | None = None,
    ) -> None:
        self._gateways = gateways
        self._policy = policy
        self._now = now
        self._default_gateway = default_gateway
        self._counts = counts
        self._open: set[str] | None = None
        self._pauses: dict[str, Pause] = {}
        """By gateway."""
        self._swept_at = 0.0

    @classmethod
    def from_config(cls, config: Config, now: Callable[[], float], counts: Metrics) -> Self:
        """The stage as configured; with a policy that cannot be read, machines do nothing.

        Raises:
            ValueError: a gateway's secret cannot be used.
        """
        return cls(
            adapters(config.response.gateways),
            Rulebook.read(config.response.policy).policy,
            now,
            counts,
            config.response.default_gateway,
        )

    async def handle(self, message: Message, journal: Journal) -> None:
        """Take an action, a key's entry or a verdict."""
        if message.topic == KEYS.name:
            remember_key(message, journal)
        elif message.topic == VERDICTS.name:
            self._take_verdict(message, journal)
        else:
            await self._take_action(message, journal)

    async def tick(self, now: float, journal: Journal) -> None:
        """Try what is due, and forget what is old."""
        for action_id in sorted(self._unfinished(journal)):
            entry = ledger.load(action_id, journal)
            if entry is None:
                self._unfinished(journal).discard(action_id)
            else:
                await self._advance(entry, journal, self._now())  # gateways take their time
        if now >= self._swept_at + SWEEP_SECONDS:
            self._swept_at = now
            _sweep(journal, now)

    def _take_verdict(self, message: Message, journal: Journal) -> None:
        verdict = read_record(message, Verdict)
        if verdict is not None:
            ledger.remember_verdict(verdict, journal)

    async def _take_action(self, message: Message, journal: Journal) -> None:
        action = read_record(message, Action)
        if action is None:
            return
        entry = ledger.load(action.action_id, journal)
        if entry is None:
            if message.appended_at < self._now() - KEEP_SECONDS:
                log.info("%s is too old to be carried out", action.action_id)
                return
            # due at once without a deadline, however wrong the clock of who asked is
            entry = Entry(action=action, next_at=epoch(action.not_before or 0.0))
        elif entry.result is None and not entry.action.by_person and action.by_person:
            # a person does not wait for the policy's delay
            entry.action, entry.next_at = action, min(entry.next_at, self._now())
        elif entry.published and action != entry.action:
            # asked anew by somebody who has not heard, or has forgotten, what came of it
            entry.published = False
        ledger.save(entry, journal)
        if not entry.published:
            self._unfinished(journal).add(action.action_id)
            await self._advance(entry, journal, self._now())

    def _unfinished(self, journal: Journal) -> set[str]:
        """Ids of actions whose outcome nobody has heard; read from the journal once."""
        if self._open is None:
            self._open = {
                entry.action.action_id for entry in ledger.entries(journal) if not entry.published
            }
        return self._open

    async def _advance(self, entry: Entry, journal: Journal, now: float) -> None:
        """Take an action as far as it gets without waiting."""
        if entry.result is not None:
            await self._publish(entry, entry.result, journal)
            return
        action = entry.action
        unasked = not (action.by_person or entry.attempts)
        if unasked and entry.due(now) and not await self._hears_all(journal):
            return
        record = key_record(action.key_id, journal)
        name = action.gateway or (record.gateway if record else None) or self._default_gateway
        adapter = self._gateways.get(name or "")
        circumstances = Circumstances(
            adapter,
            record,
            ledger.verdict_on(action.incident_id, journal),
            self._policy,
            ledger.history(journal),
        )
        stop = gate(entry, circumstances, now)
        if stop is not None and stop.status == "failed" and entry.due(now):
            await self._give_up(entry, stop.detail, adapter, journal)
        elif stop is not None and (entry.due(now) or stop.status == "cancelled"):
            if stop.status == "done" and not action.by_person:
                ledger.count_automatic(action, journal, now)
            await self._finish(entry, stop, journal)
        elif adapter is not None and entry.due(now):
            await self._try(entry, adapter, journal, now)

    async def _hears_all(self, journal: Journal) -> bool:
        """Hear all that was said, and what the registry says, before a machine has its way."""
        return await journal.catch_up(self.first, partial(self.handle, journal=journal))

    async def _try(self, entry: Entry, adapter: Adapter, journal: Journal, now: float) -> None:
        if not entry.delivered:
            pause = self._pauses.get(adapter.name)
            if pause is not None and not pause.over(now):
                return
            await self._send(entry, adapter, journal, now)
        if entry.delivered:
            await self._probe(entry, adapter, journal)

    async def _send(self, entry: Entry, adapter: Adapter, journal: Journal, now: float) -> None:
        """One attempt, its intent durable before it."""
        entry.attempts += 1
        if not entry.action.by_person:
            ledger.count_automatic(entry.action, journal, now)
        ledger.save(entry, journal)
        await journal.commit()
        sent = await adapter.act(entry.action, now)
        entry.http_status = sent.http_status
        if sent.outcome == "delivered":
            entry.delivered = True
            ledger.save(entry, journal)
        elif sent.outcome == "refused":
            await self._give_up(entry, sent.detail, adapter, journal)
        else:
            self._pauses[adapter.name] = Pause(now, now + GATEWAY_PAUSE_SECONDS)
            await self._retry(entry, sent, adapter, journal)

    async def _retry(self, entry: Entry, sent: Sent, adapter: Adapter, journal: Journal) -> None:
        """Leave the next attempt to `tick`, unless this was the last."""
        entry.failures += 1
        if entry.failures < adapter.attempts_max:
            pause = backoff(entry.failures, BACKOFF_SECONDS, 3.0, BACKOFF_SECONDS_MAX)
            entry.pause(self._now(), max(pause, sent.retry_after_seconds or 0.0))
            ledger.save(entry, journal)
        else:
            detail = f"{sent.detail}; {entry.attempts} attempts"
            await self._give_up(entry, detail, adapter, journal)

    async def _give_up(
        self, entry: Entry, detail: str, adapter: Adapter | None, journal: Journal
    ) -> None:
        """End without the gateway's yes; the key may be as it should be all the same."""
        done = adapter is not None and await self._works(entry, adapter) is False
        stop = Stop("verified", f"{detail}, but a probe finds it done")
        await self._finish(entry, stop if done else Stop("failed", detail), journal)

    async def _works(self, entry: Entry, adapter: Adapter) -> bool | None:
        """Whether the action left the key as it was; None when that could not be told."""
        if not _probed(entry, adapter):
            return None
        works = await adapter.works(entry.action, self._now())
        return works if entry.action.kind == "revoke" or works is None else not works

    async def _probe(self, entry: Entry, adapter: Adapter, journal: Journal) -> None:
        """Look whether the key is as it should be; gateways may take a moment, or not answer."""
        entry.probes += 1
        works = await self._works(entry, adapter)
        entry.unchanged = entry.unchanged or works is True
        if works is False:
            stop = Stop("verified", "the gateway did it, and a probe agrees")
        elif _probed(entry, adapter) and entry.probes < PROBES_MAX:
            entry.pause(self._now(), 2.0 ** (entry.probes - 1))
            ledger.save(entry, journal)
            return
        elif entry.unchanged:
            stop = Stop("failed", "the gateway accepted, but a probe says that nothing changed")
        else:
            stop = Stop("done", "the gateway accepted; no probe could confirm it")
        await self._finish(entry, stop, journal)

    async def _finish(self, entry: Entry, stop: Stop, journal: Journal) -> None:
        """Record the one outcome, durable before anybody hears of it."""
        entry.result = _result(entry, stop.status, stop.detail, self._now())
        ledger.save(entry, journal)
        await journal.commit()
        log.info(
            "%s %s after %d attempts: %s",
            entry.action.action_id,
            stop.status,
            entry.attempts,
            stop.detail,
        )
        await self._publish(entry, entry.result, journal)

    async def _publish(self, entry: Entry, result: ActionResult, journal: Journal) -> None:
        """Tell the outcome, once; who reads what nobody committed may hear it again, unchanged."""
        await journal.publish(ACTION_RESULTS, result, key=result.action_id)
        self._counts.add(OUTCOMES, result.status)
        entry.published = True
        ledger.save(entry, journal)
        self._unfinished(journal).discard(result.action_id)


def _probed(entry: Entry, adapter: Adapter) -> bool:
    """Whether a probe can ever tell what became of an action."""
    return adapter.has_probe and entry.action.kind in {"revoke", "restore"}


def _result(entry: Entry, status: Outcome, detail: str, now: float) -> ActionResult:
    return ActionResult(
        action_id=entry.action.action_id,
        attempt=max(1, entry.attempts),
        status=status,
        http_status=entry.http_status,
        detail=detail,
        at=now,
        incident_id=entry.action.incident_id,
        key_id=entry.action.key_id,
        kind=entry.action.kind,
    )


def _sweep(journal: Journal, now: float) -> None:
    """Forget outcomes and verdicts that are too old to matter."""
    for entry in ledger.entries(journal):
        if entry.result is not None and epoch(entry.result.at) < now - KEEP_SECONDS:
            ledger.forget(entry.action.action_id, journal)
    for verdict in ledger.verdicts(journal):
        if epoch(verdict.at) < now - KEEP_SECONDS:
            ledger.forget_verdict(verdict.incident_id, journal)
