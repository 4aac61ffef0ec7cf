"""The composition root of the streaming mode: from the name of a role to what it runs.

Imports are in the functions: a process carries the libraries of its own role alone.
"""
# ruff: noqa: PLC0415 - see above

import time
from contextlib import suppress
from typing import Literal, get_args

from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.journal import Stage
from pipeline.workers.detect import DetectRole
from pipeline.workers.role import Role
from pipeline.workers.stages import StagePlan, StageRole
from schemas.topics import ENFORCE_STATE, NOTIFY_STATE, POLL_STATE, RECONCILE_STATE

StageName = Literal["sink", "notify", "enforce", "reconcile", "poll"]
STAGES: tuple[StageName, ...] = get_args(StageName)
_STATES = {
    "sink": None,
    "notify": NOTIFY_STATE,
    "enforce": ENFORCE_STATE,
    "reconcile": RECONCILE_STATE,
    "poll": POLL_STATE,
}


def build_role(name: str, config: Config, counts: Metrics) -> Role:
    """The role of a name.

    Args:
        name: one of `ROLES`.
        config: the configuration.
        counts: the workers' metrics.

    Raises:
        ValueError: there is no such role.
        ConfigError: its part of the configuration cannot be used.
        StoreRefused: ClickHouse does not take the user or the password.
    """
    if name == "detect":
        return _detect(config, counts)
    for stage in STAGES:
        if name == stage:
            return StageRole(config.kafka, plan_stage(stage, config, counts), counts)
    raise ValueError(f"no role is called {name!r}")


def plan_stage(name: StageName, config: Config, counts: Metrics) -> StagePlan:
    """A stage, and the topics that it needs."""
    if name == "sink":
        return _sink(config, counts)

    def make() -> Stage:
        return _stage(name, config, counts)

    # made once for its mistakes: one that stands by would meet them only when it takes over
    return StagePlan(name, make().reads, _STATES[name], make)


def _stage(name: StageName, config: Config, counts: Metrics) -> Stage:
    """A stage that remembers, and has seen nothing yet."""
    if name == "notify":
        from pipeline.notify.stage import NotifyStage

        return NotifyStage.from_config(config, time.time, counts)
    if name == "reconcile":
        from pipeline.reconcile.stage import ReconcileStage

        return ReconcileStage.from_config(config, time.time)
    if name == "poll":
        from pipeline.poll.stage import PollStage

        return PollStage.from_config(config, counts)
    from pipeline.response.enforce import EnforceStage

    return EnforceStage.from_config(config, time.time, counts)


def _detect(config: Config, counts: Metrics) -> Role:
    from pipeline.default_rules import default_rules
    from pipeline.engine import PartitionFold

    rules = default_rules(config)
    partitions = config.kafka.partitions
    return DetectRole(config, lambda partition: PartitionFold(rules, partition, partitions), counts)


def _sink(config: Config, counts: Metrics) -> StagePlan:
    from pipeline.default_rules import default_rules
    from pipeline.sink import SinkStage
    from pipeline.store import LaterStore, StoreUnavailable

    acceptor, store = default_rules(config).acceptor, config.store
    later = LaterStore(store)  # one for the process: the embedded engine opens a folder once
    if store.host is not None:
        with suppress(StoreUnavailable):  # the sink waits for it, and holds nobody else up
            later.open()

    def make() -> Stage:
        return SinkStage(
            later,
            acceptor,
            counts,
            batch_rows_max=store.batch_rows_max,
            batch_seconds=store.batch_seconds,
        )

    return StagePlan("sink", SinkStage.reads, None, make)
