"""Lines of the log, read again from where dead letters say that they stood."""

import pytest

from pipeline.config import Kafka
from pipeline.dead_letters import Place
from pipeline.packing import PACKED
from pipeline.workers.log_lines import lines_at
from pipeline.workers.producing import EventLog, encode_headers
from schemas.topics import USAGE_EVENTS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

LARGE = b'{"event_id": "' + b"x" * 100_000 + b'"}'


async def test_lines_of_packed_and_single_messages(topics: Kafka) -> None:
    async with EventLog(topics) as log:
        producer, name = log._running(), topics.topic_prefix + USAGE_EVENTS.name
        headers = encode_headers(PACKED)
        lines = b"{}\n" + LARGE
        await producer.send_and_wait(name, lines, partition=1, headers=headers)
        await producer.send_and_wait(name, LARGE + b"\n", partition=1)
    packed, single, gone, beyond = (
        Place(USAGE_EVENTS.name, 1, offset, index)
        for offset, index in ((0, 1), (1, 0), (2, 0), (0, 9))
    )
    found = await lines_at(topics, [packed, single, gone, beyond])
    assert found == {packed: LARGE, single: LARGE + b"\n"}
