"""A worker's place in its group, where aiokafka alone would be silent or hold on.

It keeps what its coordinator cannot go on after for whoever fetches next, and a worker that was
given no partitions does not fetch. Closed in the middle of a rebalance it waits for the end of
it, which takes as long as the session of a member that died.
"""

import asyncio
from contextlib import suppress

from aiokafka import AIOKafkaConsumer
from aiokafka.client import ConnectionGroup
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    KafkaError,
)
from aiokafka.protocol.group import LeaveGroupRequest

from pipeline.config import Kafka
from pipeline.workers.connection import group_name

LEAVE_SECONDS_MAX = 2.0


class GroupError(Exception):
    """The broker does not let the worker into its group. The text is for people."""


def look(consumer: AIOKafkaConsumer) -> None:
    """Raise what the consumer's coordinator cannot go on after; it would wait for ever.

    Raises:
        KafkaError: such as that the group may not be joined.
    """
    consumer._coordinator.check_errors()  # noqa: SLF001 - fetching does the same


def explain(error: BaseException, kafka: Kafka, role: str) -> BaseException:
    """An error that says which setting to look at, where one is to blame."""
    if isinstance(error, InvalidSessionTimeoutError):
        return GroupError(
            f"kafka.session_timeout_seconds: the broker does not accept"
            f" {kafka.session_timeout_seconds:g} (see its group.min.session.timeout.ms and"
            " group.max.session.timeout.ms)"
        )
    if isinstance(error, GroupAuthorizationFailedError):
        group = group_name(kafka, role)
        return GroupError(f"kafka: no right to read as the group {group} (docs/security.md)")
    return error


async def leave(consumer: AIOKafkaConsumer) -> None:
    """Leave the group now, also in the middle of a rebalance; the others need not wait for us.

    What cannot be said to the broker in time, it finds out when the session is over.
    """
    coordinator, client = consumer._coordinator, consumer._client  # noqa: SLF001
    task = coordinator._coordination_task  # noqa: SLF001
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError, KafkaError):
            await task
    member, node = coordinator.member_id, coordinator.coordinator_id
    if not member or node is None:
        return
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS_MAX):
            # not on the connection of the group: nothing on it is read before a join is answered
            await client.send(
                node, LeaveGroupRequest(coordinator.group_id, member), group=ConnectionGroup.DEFAULT
            )
    coordinator.reset_generation()
