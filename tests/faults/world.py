"""A seeded world: the real roles over a log in memory, and everything that can happen to them."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unittest.mock import patch

import msgspec
from msgspec.structs import replace
from pydantic import SecretStr

from pipeline.config import Config, Gateway, Kafka, Response, Slack
from pipeline.counts import Metrics
from pipeline.demo.slack_interactions import Place as Pressed
from pipeline.demo.slack_interactions import Press, block_actions
from pipeline.engine import PartitionFold
from pipeline.engine.bookkeeping import Rebuild
from pipeline.engine.rebuilding import fresh_states, with_position
from pipeline.metrics import WORKER_METRICS
from pipeline.notify import storm
from pipeline.notify.signature import interaction
from pipeline.notify.stage import NotifyStage
from pipeline.reconcile.stage import ReconcileStage
from pipeline.response.enforce import EnforceStage
from pipeline.response.policy import Brakes, Policy, Rule, Rulebook
from pipeline.sink import SinkStage
from pipeline.workers import state_log, unread, whole_partition
from pipeline.workers.detect import DetectRole
from pipeline.workers.stages import StagePlan, StageRole
from schemas.codec import encode
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.topics import (
    CLICKS,
    DETECT_STATE,
    ENFORCE_STATE,
    INCIDENTS,
    KEYS,
    NOTIFY_STATE,
    RECONCILE_STATE,
    TOPICS,
    USAGE_EVENTS,
    VERDICTS,
)
from schemas.verdict import Judgement, Verdict
from tests.faults.broker import SimBroker
from tests.faults.clients import SimConsumer, SimProducer
from tests.faults.outside import Mishaps, SimGateway, SimSlack, SimStore
from tests.faults.traffic import BEGIN, Sent, Traffic, traffic
from tests.faults.workers import Group, Misfortune, Worker
from tests.support.events import rules
from tests.support.samples import WEBHOOK_SECRET

if TYPE_CHECKING:
    from pipeline.workers.role import Role

PARTITIONS = 3
CHANNEL = "C0PAGE"
TICKETS = "C0TICKET"
STATES = ("detect-state", "notify-state", "enforce-state", "reconcile-state", "keys")
SETTLE_ROUNDS_MAX = 80
ROUNDS_OF_MISHAPS = 6
"""Rounds of settling in which store, Slack and gateway still fail: most of their work is then."""
STEPS_AFTER = 80
"""Steps in which faults go on after the last message."""
DELAY_SECONDS = 60.0
LATEST = 8
"""Revisions that tools look at."""
AWAY_SECONDS_MAX = 2 * DELAY_SECONDS


def _policy(delay: float) -> Policy:
    return Policy(
        rules=(Rule(name="r", severity=["page"], then="revoke", delay_seconds=delay),),
        brakes=Brakes(
            revocations_per_hour_max=1000, fleet_share_per_day_max=1.0, incident_age_seconds_max=1e9
        ),
    )


POLICIES = (None, None, _policy(0.0), _policy(DELAY_SECONDS), _policy(DELAY_SECONDS))
"""Nobody, at once, or after a while in which people may object."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What goes wrong in a run, and how often."""

    name: str
    kill: float = 0.0
    """Share of the calls to Kafka at which the process is killed."""
    freeze: float = 0.0
    """Share at which it is paused until its partitions have moved, and beyond."""
    rebalance: float = 0.0
    """Share of the steps at which workers come or go."""
    reread: float = 0.0
    """Share of the partitions of which a new owner reads some records again."""
    stop: float = 0.0
    """Share of the steps at which a worker is told to end in good order."""
    compact: float = 0.0
    rebuild: float = 0.0
    """Share of the steps at which detection begins anew, with states of nothing."""
    jump: float = 0.0
    """Share of the steps at which the clock of the workers jumps, either way."""
    time_out: float = 0.0
    """Share of the steps at which the broker gives up open transactions."""
    tools: float = 0.0
    """Share of the steps at which a tool says something about an incident."""
    protect: float = 0.0
    """Share of the steps at which an owner protects a key."""
    away: float = 0.0
    """Share of the steps at which notify or enforce is away for a while, perhaps for a deadline."""
    lose: float = 0.0
    """Share of the steps at which a topic of states is lost and made anew."""
    storm: bool = False
    """Two keys that are alike, at any time, make a storm: a world has few keys."""
    outside: dict[str, float] = field(default_factory=dict)
    """Shares of the calls to store, Slack and gateway that fail, by fault."""


STORE = {"store refuses": 0.2, "store cut after the insert": 0.2, "store cut in the middle": 0.2}
SLACK = {
    "slack answers 429": 0.2,
    "slack is down": 0.2,
    "slack times out after the post": 0.3,
}
GATEWAY = {
    "gateway answers 503": 0.2,
    "gateway refuses connections": 0.1,
    "gateway times out after acting": 0.3,
    "gateway's probe gives no answer": 0.3,
}
JUMP_SECONDS_MAX = 600.0
SCENARIOS = (
    Scenario("nothing"),
    Scenario("kill -9", kill=0.03),
    Scenario("rebalance", rebalance=0.15),
    Scenario("reread", rebalance=0.15, reread=0.5, kill=0.01),
    Scenario("zombie", freeze=0.03),
    Scenario("broker", time_out=0.05, compact=0.05, kill=0.005),
    Scenario("store", outside=STORE),
    Scenario("slack", outside=SLACK, kill=0.01),
    Scenario("gateway", outside=GATEWAY, kill=0.01),
    Scenario("gateway 404", outside={"gateway answers 404": 0.5}, kill=0.01),
    Scenario("clock", jump=0.1, tools=0.05, outside=SLACK | GATEWAY, kill=0.01),
    Scenario("storm", kill=0.03, freeze=0.01, storm=True, outside=SLACK),
    Scenario("SIGTERM", stop=0.15, kill=0.005, freeze=0.005, outside=STORE | SLACK | GATEWAY),
    Scenario("rebuild", rebuild=0.02, kill=0.01),
    Scenario("objections", tools=0.2, protect=0.03, away=0.05, kill=0.02),
    Scenario("lost states", tools=0.1, protect=0.03, away=0.02, lose=0.02, kill=0.01),
    Scenario(
        "everything",
        kill=0.02,
        freeze=0.02,
        rebalance=0.05,
        reread=0.1,
        compact=0.02,
        time_out=0.02,
        outside=STORE | SLACK | GATEWAY,
    ),
)


class World(Misfortune):
    """One run."""

    def __init__(self, seed: int, scenario: Scenario) -> None:
        self._random = random.Random(seed)  # noqa: S311 # repeatable, and no secret
        self._scenario = scenario
        self._raging = True
        self.struck: Counter[str] = Counter()
        """Faults that happened, by kind."""
        self.unexpected: list[str] = []
        """Errors of roles that nothing had caused."""
        self.clock = BEGIN
        self._ahead = 0.0
        """Seconds by which the workers' clock is wrong."""
        self.rebuilds = 0
        self.traffic: Traffic = traffic(seed, PARTITIONS)
        self._mishaps = Mishaps(seed, self._strike)
        self._mishaps.shares = dict(scenario.outside)
        self.broker = SimBroker(
            {topic.name: topic.partitions or PARTITIONS for topic in TOPICS}, self._right_time
        )
        self.store = SimStore(self._mishaps)
        self.slack = SimSlack(self._mishaps, self._right_time)
        self.gateway = SimGateway(self._mishaps)
        self.policy = self._random.choice(POLICIES)
        self.clicks = self._random.random() < 0.5
        self._config = sim_config()
        self._counts = Metrics(WORKER_METRICS)
        self.groups = self._groups()
        self._away: dict[str, float] = {}
        """By group: until when nobody starts it again."""
        self._said: set[str] = set()
        """Incidents that a tool has spoken of."""
        self.lost: set[str] = set()
        """Topics that were lost."""

    def now(self) -> float:
        """The workers' clock, in Unix seconds."""
        return self.clock + self._ahead

    def _right_time(self) -> float:
        return self.clock

    async def run(self) -> None:
        """Disturb the log on its way, then let everything come to rest."""
        with patched(self._scenario):
            for group in self.groups:
                await group.rebalance(1 + self._random.randrange(2))
            waiting = await self._register()
            while self._append(waiting, self._random.randrange(6)):
                await self._step()
            for _ in range(STEPS_AFTER):
                await self._step()
            await self._settle()

    async def _register(self) -> Iterator[Sent]:
        """Let everybody hear of the registry first: the brakes count its keys."""
        waiting = iter(self.traffic.log)
        self._append(waiting, len(self.traffic.records))
        self._raging = False
        for group in self.groups[2:]:
            await self._drain(group)
        self._raging = True
        return waiting

    def strikes(self, worker: Worker, point: str) -> str | None:
        if not self._raging:
            return None
        chance = self._random.random()
        if worker.role.name in {"notify", "enforce", "reconcile"}:
            chance /= 4.0  # they call more seldom than the others
        scenario = self._scenario
        if chance < scenario.kill:
            self._strike(f"kill -9: {worker.role.name}, {point}")
            return "kill"
        if chance < scenario.kill + scenario.freeze and worker in worker.group.members:
            self._strike(f"zombie: {worker.role.name}, {point}")
            return "freeze"
        return None

    def rereads(self, group: Group) -> int:
        if self._raging and self._random.random() < self._scenario.reread:
            self._strike(f"reread: {group.name}")
            return 1 + self._random.randrange(4)
        return 0

    def died(self, work: asyncio.Task[None]) -> None:
        error = work.exception() if not work.cancelled() else None
        name = type(error).__name__
        if name not in {"CrashError", "FencedError"}:
            self.unexpected.append(f"{name}: {error}")

    def _strike(self, what: str) -> None:
        self.struck[what] += 1

    def _append(self, waiting: Iterator[Sent], count: int) -> bool:
        for _ in range(count):
            sent = next(waiting, None)
            if sent is None:
                return False
            self.broker.append(sent.place, sent.value, key=sent.key, headers=sent.headers)
        return True

    # One thing that happens

    async def _step(self) -> None:
        self.clock += self._random.choice((0.0, 0.05, 0.3, 2.0))
        group = self._random.choice(self.groups)
        await self._restart(group)
        awake = [each for each in group.members if each.awake]
        if awake:
            await self._work(group, self._random.choice(awake))
        await self._trouble()

    async def _work(self, group: Group, worker: Worker) -> None:
        place = self._random.choice(list(worker.positions) or [None])
        if place is not None and self._random.random() < 0.8:
            await group.deliver(worker, place, self._random.choice((1, 2, 6)))
            if isinstance(worker.role, DetectRole):  # its timer comes between any two folds
                await self._tick(worker)
        else:
            await self._tick(worker)

    async def _tick(self, worker: Worker) -> None:
        role = worker.role
        if isinstance(role, DetectRole):
            for partition in list(role._partitions.values()):
                if partition.due(self.now()) and worker.awake:
                    await worker.do(role._checkpoint(partition))
        elif isinstance(role, StageRole):
            await worker.do(role._tick())

    async def _restart(self, group: Group) -> None:
        """The group notices after a while who is gone; a frozen one comes back even later."""
        gone = [each for each in group.members if not each.awake]
        if self.clock < self._away.get(group.name, 0.0):
            return
        if gone and self._random.random() < 0.5:
            self.clock += 10.0
            await group.rebalance(1 + self._random.randrange(2))
        elif self._random.random() < self._scenario.rebalance:
            self._strike(f"rebalance: {group.members[0].role.name if group.members else ''}")
            await group.rebalance(1 + self._random.randrange(2))
        elif self._random.random() < self._scenario.stop and len(gone) < len(group.members):
            worker = self._random.choice([each for each in group.members if each.awake])
            self._strike(f"SIGTERM: {worker.role.name}")
            await worker.end()

    async def _trouble(self) -> None:
        frozen = [group for group in self.groups if group.frozen]
        if frozen and self._random.random() < 0.15:
            await self._wake(frozen[0].frozen.pop(0))
        if self._random.random() < self._scenario.compact:
            self._strike("state topics compacted")
            self.broker.compact(self._random.choice(STATES))
        if self._random.random() < self._scenario.time_out and self.broker.time_out_transactions():
            self._strike("transactions timed out")
        if self._random.random() < self._scenario.jump:
            self._strike("clock jumps")
            self._ahead = self._random.uniform(-JUMP_SECONDS_MAX, JUMP_SECONDS_MAX)
        if self._random.random() < self._scenario.rebuild:
            await self._rebuild()
        if self.clicks and self.slack.pages and self._random.random() < 0.05:
            self._click()
        await self._people()
        if self._random.random() < self._scenario.away:
            self._leave(self._random.choice(self.groups[2:4]))
        if self._random.random() < self._scenario.lose:
            await self._lose(self._random.choice(self.groups[2:4]))

    async def _people(self) -> None:
        """What others than those who click say and do."""
        if self._random.random() < self._scenario.tools:
            self._say()
        if self._random.random() < self._scenario.protect:
            self._protect()

    def _say(self) -> None:
        known = self.broker.logs[INCIDENTS.name, 0][-LATEST:]  # perhaps before notify reads it
        told = self._random.choice(known or [None])
        if told is None:
            return
        incident = msgspec.json.decode(told.value or b"", type=Incident)
        if incident.incident_id in self._said and self._random.random() < 0.8:
            return  # mostly the first word is the last
        self._said.add(incident.incident_id)
        word: Judgement = self._random.choice(("benign", "expected", "snooze", "acknowledge"))
        verdict = Verdict(
            incident_id=incident.incident_id,
            key_id=incident.key_id,
            verdict=word,
            until=self.clock + 3600.0 if word == "snooze" else None,
            by="console:ana",
            at=self.clock,
        )
        self._strike(f"a tool says {word}")
        self.broker.append((VERDICTS.name, 0), encode(verdict))

    def _protect(self) -> None:
        record = self._random.choice(self.traffic.records)
        latest = [each for each in self.traffic.records if each.key_id == record.key_id][-1]
        if not latest.protected:
            self._strike("an owner protects a key")
            record = replace(latest, protected=True)
            self.traffic.records.append(record)
            self.broker.append((KEYS.name, 0), encode(record), key=record.key_id.encode())

    def _leave(self, group: Group) -> None:
        """Nobody of a group is there for a while."""
        self._strike(f"away: {group.name}")
        self._away[group.name] = self.clock + self._random.uniform(0.0, AWAY_SECONDS_MAX)
        for member in group.members:
            member.alive = False

    async def _lose(self, group: Group) -> None:
        """A topic of states is gone, and `leakline init` has made it anew."""
        topic = NOTIFY_STATE.name if group is self.groups[2] else ENFORCE_STATE.name
        self._strike(f"lost: {topic}")
        self.lost.add(topic)
        for member in group.members:
            member.alive = False
        self.broker.logs[topic, 0] = []

    async def _rebuild(self) -> None:
        """As `leakline rebuild` does it, once no detect worker runs; with the states or without."""
        lost = not self.rebuilds and self._random.random() < 0.5  # how far it was once is lost, too
        self._strike("detection's states lost" if lost else "detection rebuilt from nothing")
        self.rebuilds += 1
        told = self._told() if lost else {}
        detect = self.groups[0]
        await detect.rebalance(0)
        for number in range(PARTITIONS):
            place = (DETECT_STATE.name, number)
            self.broker.take_id(f"{detect.name}-{number}")
            if lost:
                self.broker.logs[place] = []
            records, _ = self.broker.read(place, 0, 1_000_000, committed=True)
            states = {each.key.decode(): each.value for each in records if each.key}
            old = {key: value for key, value in states.items() if value is not None}
            read = self.broker.offsets.get((detect.name, (USAGE_EVENTS.name, number)), 0)
            old = with_position(old, read)
            mine = [each for each in told.values() if self._home(each.key_id) == number]
            for key, value in fresh_states(old, Rebuild(self.rebuilds), 0, mine):
                self.broker.append(place, value, key=key.encode())
            self.broker.offsets[detect.name, (USAGE_EVENTS.name, number)] = 0
        await detect.rebalance(1 + self._random.randrange(2))

    def _told(self) -> dict[str, KeyRecord]:
        """What the registry says by now."""
        said = [each.value for each in self.broker.committed(KEYS.name) if each.value]
        records = [msgspec.json.decode(value, type=KeyRecord) for value in said]
        return {record.key_id: record for record in records}

    @staticmethod
    def _home(key_id: str) -> int:
        return partition_of(key_id, PARTITIONS)

    async def _wake(self, zombie: Worker) -> None:
        await zombie.wake()
        if zombie.awake:
            # it hears of its loss, and joins again
            group = zombie.group
            group.members.append(zombie)
            await group.rebalance(len(group.members))

    def _click(self) -> None:
        post = self._random.choice(self.slack.pages)
        press = Press(
            self._random.choice(("revoke", "acknowledge", "not_a_leak", "snooze")),
            post.card.incident_id,
            f"{self.clock:.6f}",
        )
        payload = block_actions(Pressed("T111", post.channel, post.ts, ""), "U1", press)
        value = msgspec.json.encode(interaction(payload))
        for _ in range(self._random.choice((1, 1, 2))):
            self.broker.append((CLICKS.name, 0), value)

    # The end

    async def _settle(self) -> None:
        """Nothing goes wrong any more: everybody wakes, and works until nothing is left."""
        self._raging = False
        self._ahead = 0.0
        for group in self.groups:
            await group.rebalance(1 + self._random.randrange(2))
            for zombie in group.frozen:
                await self._wake(zombie)
        quiet = 0
        for number in range(SETTLE_ROUNDS_MAX):
            if number == ROUNDS_OF_MISHAPS:
                self._mishaps.shares.clear()
            self.clock += 45.0
            busy = [await self._drain(group) for group in self.groups]
            quiet = 0 if any(busy) else quiet + 1
            if quiet > 12:  # the longest pause of a retry is over
                return
        self.unexpected.append("does not come to rest")

    async def _drain(self, group: Group) -> bool:
        if not all(each.awake for each in group.members):
            await group.rebalance(len(group.members))
        busy = False
        for worker in group.members:
            for place in list(worker.positions):
                while worker.awake and await group.deliver(worker, place, 50):
                    busy = True
            await self._tick(worker)
        return busy or group.behind()

    # The roles

    def _groups(self) -> list[Group]:
        config, kafka, counts = self._config, self._config.kafka, self._counts
        makes: tuple[Callable[[], Role], ...] = (
            lambda: DetectRole(
                config, lambda place: PartitionFold(rules(), place, PARTITIONS), counts, self.now
            ),
            lambda: StageRole(kafka, self._plan("sink"), counts, self.now),
            lambda: StageRole(kafka, self._plan("notify"), counts, self.now),
            lambda: StageRole(kafka, self._plan("enforce"), counts, self.now),
            lambda: StageRole(kafka, self._plan("reconcile"), counts, self.now),
        )
        return [Group.of(self.broker, kafka, make, self) for make in makes]

    def _plan(self, name: str) -> StagePlan:
        if name == "sink":
            return StagePlan("sink", SinkStage.reads, None, self._sink)
        if name == "reconcile":
            return StagePlan("reconcile", ReconcileStage.reads, RECONCILE_STATE, self._reconcile)
        if name == "notify":
            return StagePlan("notify", NotifyStage.reads, NOTIFY_STATE, self._notify)
        return StagePlan("enforce", EnforceStage.reads, ENFORCE_STATE, self._enforce)

    def _sink(self) -> SinkStage:
        batch = self._random.choice((5, 50, 50_000))
        return SinkStage(
            self.store,  # type: ignore[arg-type]  # as much of a store as the sink uses
            rules().acceptor,
            self._counts,
            batch_rows_max=batch,
            now=self._right_time,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.clock += seconds

    def _notify(self) -> NotifyStage:
        return NotifyStage(self._config, self.slack, Rulebook(self.policy), self.now, self._counts)

    def _reconcile(self) -> ReconcileStage:
        return ReconcileStage(PARTITIONS, [], self.now)

    def _enforce(self) -> EnforceStage:
        return EnforceStage({"edge": self.gateway}, self.policy, self.now, self._counts, "edge")


@contextmanager
def patched(scenario: Scenario) -> Iterator[None]:
    """Let state logs speak to the broker in memory, and storms come as easily as is said."""
    easily = {"ALIKE_MIN": 2, "SHARED_MIN": 2, "FORM_SECONDS": 1e9, "STAY_SECONDS": 1e9}
    with (
        patch.multiple(storm, **(easily if scenario.storm else {"ALIKE_MIN": storm.ALIKE_MIN})),
        patch.object(state_log, "AIOKafkaProducer", SimProducer),
        patch.object(state_log, "AIOKafkaConsumer", SimConsumer),
        patch.object(unread, "AIOKafkaConsumer", SimConsumer),
        patch.object(unread, "SETTLE_SECONDS_MAX", 0.0),
        patch.object(whole_partition, "AIOKafkaConsumer", SimConsumer),
    ):
        yield


def sim_config() -> Config:
    gateway = Gateway(name="edge", url="https://edge.test", secret=SecretStr(WEBHOOK_SECRET))
    return Config.model_construct(
        kafka=Kafka(partitions=PARTITIONS, checkpoint_seconds=1.0),
        slack=Slack(
            token=SecretStr("xoxb-fake"),
            channel=CHANNEL,
            ticket_channel=TICKETS,
            allowed_users=["U1"],
        ),
        response=Response(gateways=[gateway], default_gateway="edge"),
    )
