"""Notify and enforce alone over the log in memory: a test says who reads what, and when."""

import asyncio
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from pipeline.counts import Metrics
from pipeline.demo.slack_interactions import Place as Pressed
from pipeline.demo.slack_interactions import Press, block_actions
from pipeline.metrics import WORKER_METRICS
from pipeline.notify.offers import ButtonAction
from pipeline.notify.signature import interaction
from pipeline.notify.stage import NotifyStage
from pipeline.reconcile.stage import ReconcileStage
from pipeline.response.enforce import EnforceStage
from pipeline.response.policy import Brakes, Policy, Rule, Rulebook
from pipeline.sink import SinkStage
from pipeline.workers.stages import StagePlan, StageRole
from schemas.action import Action, ActionResult
from schemas.codec import encode
from schemas.key_record import KeyRecord
from schemas.topics import (
    ACTION_RESULTS,
    ACTIONS,
    CLICKS,
    ENFORCE_STATE,
    NOTIFY_STATE,
    RECONCILE_STATE,
    TOPICS,
    Topic,
)
from tests.faults.broker import SimBroker
from tests.faults.outside import Mishaps, SimGateway, SimSlack, SimStore
from tests.faults.workers import Group, Misfortune, Worker
from tests.faults.world import sim_config
from tests.support.events import rules
from tests.support.samples import AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.journal import Stage

BRAKES = Brakes(
    revocations_per_hour_max=1000, fleet_share_per_day_max=1.0, incident_age_seconds_max=1e9
)
AT_ONCE = Policy(rules=(Rule(name="soon", then="revoke"),), brakes=BRAKES)
DELAYED = Policy(rules=(Rule(name="soon", then="revoke", delay_seconds=300),), brakes=BRAKES)


class Duo(Misfortune):
    """Two stages, what they speak to, and a clock that stands still."""

    def __init__(self, policy: Policy | None, *registry: KeyRecord) -> None:
        self.policy = policy
        self.clock = AT + 10.0
        self.killed_at: tuple[str, str] | None = None
        """Role and point of the next kill."""
        mishaps = Mishaps(1, print)
        self.broker = SimBroker({topic.name: topic.partitions or 1 for topic in TOPICS}, self.now)
        self.slack = SimSlack(mishaps, self.now)
        self.gateway = SimGateway(mishaps)
        self.store = SimStore(mishaps)
        self._registry = registry
        self._counts = Metrics(WORKER_METRICS)
        self._config = sim_config()
        edge = self._config.response.gateways[0]
        self._config.response.gateways.append(edge.model_copy(update={"name": "proxy"}))
        self.notify = self._group("notify", NOTIFY_STATE, self._notify)
        self.enforce = self._group("enforce", ENFORCE_STATE, self._enforce)
        self.reconcile = self._group("reconcile", RECONCILE_STATE, self._reconcile)
        self.sink = self._group("sink", None, self._sink)

    def now(self) -> float:
        return self.clock

    def strikes(self, worker: Worker, point: str) -> str | None:
        if (worker.role.name, point) != self.killed_at:
            return None
        self.killed_at = None
        return "kill"

    async def start(self, *groups: Group) -> None:
        """Let one worker take over each; whoever had it before is killed."""
        for group in groups:
            for member in group.members:
                member.alive = False
            await group.rebalance(1)

    def put(self, topic: Topic, record: Struct | bytes, key: str = "") -> None:
        """Write as others do."""
        value = record if isinstance(record, bytes) else encode(record)
        self.broker.append((topic.name, 0), value, key=key.encode())

    async def give(self, group: Group, *topics: Topic) -> None:
        """Let the worker read these topics to their end, one after the other."""
        (worker,) = group.members
        for topic in topics or group.topics:
            while worker.awake and await group.deliver(worker, (topic.name, 0), 50):
                pass

    async def tick(self, group: Group) -> None:
        (worker,) = group.members
        assert isinstance(worker.role, StageRole)
        await worker.do(worker.role._tick())

    async def pass_time(self, seconds: float) -> None:
        """Let both work until nothing is left, ten seconds at a time."""
        for _ in range(int(seconds / 10)):
            self.clock += 10
            for group in (self.notify, self.enforce):
                await self.give(group)
                await self.tick(group)

    def click(self, button: ButtonAction) -> None:
        post = self.slack.pages[-1]
        press = Press(button, post.card.incident_id, f"{self.clock:.6f}")
        payload = block_actions(Pressed("T111", post.channel, post.ts, ""), "U1", press)
        self.put(CLICKS, msgspec.json.encode(interaction(payload)))

    def lose(self, topic: Topic) -> None:
        """All that a topic held is gone, and it was made anew."""
        self.broker.logs[topic.name, 0] = []

    @property
    def shown(self) -> str:
        return self.slack.pages[-1].card.text

    @property
    def actions(self) -> list[Action]:
        found = self.broker.committed(ACTIONS.name)
        return [msgspec.json.decode(each.value or b"", type=Action) for each in found]

    @property
    def outcomes(self) -> list[str]:
        found = self.broker.committed(ACTION_RESULTS.name)
        results = [msgspec.json.decode(each.value or b"", type=ActionResult) for each in found]
        return [result.status for result in results]

    def _group(self, name: str, state: Topic | None, make: "Callable[[], Stage]") -> Group:
        def role() -> StageRole:
            plan = StagePlan(name, make().reads, state, make)
            return StageRole(self._config.kafka, plan, self._counts, self.now)

        return Group.of(self.broker, self._config.kafka, role, self)

    def _notify(self) -> NotifyStage:
        return NotifyStage(self._config, self.slack, Rulebook(self.policy), self.now, self._counts)

    def _enforce(self) -> EnforceStage:
        gateways = {"edge": self.gateway, "proxy": self.gateway}
        return EnforceStage(gateways, self.policy, self.now, self._counts, "edge")

    def _reconcile(self) -> ReconcileStage:
        return ReconcileStage(1, self._registry, self.now)

    def _sink(self) -> SinkStage:
        return SinkStage(
            self.store,  # type: ignore[arg-type]  # as much of a store as the sink uses
            rules().acceptor,
            self._counts,
            batch_rows_max=1,
            sleep=asyncio.sleep,
        )
