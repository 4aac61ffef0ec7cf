"""Packing keeps every event, its order and its partition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.packing import EventTooLargeError, pack
from schemas.partition import partition_of
from schemas.topics import MESSAGE_BYTES_MAX

PARTITIONS = 4


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 300_000)), max_size=40))
def test_packed_messages_hold_all_events_in_order(sizes: list[tuple[str, int]]) -> None:
    events = [
        (key, f"{number}:{key}".encode().ljust(size, b"x"))
        for number, (key, size) in enumerate(sizes)
    ]
    messages = list(pack(events, PARTITIONS))
    assert all(len(value) <= MESSAGE_BYTES_MAX for _, value in messages)
    for place in range(PARTITIONS):
        lines = [line for at, value in messages if at == place for line in value.split(b"\n")]
        assert lines == [line for key, line in events if partition_of(key, PARTITIONS) == place]


def test_an_event_that_fits_nowhere_is_refused() -> None:
    list(pack([("key", b"x" * MESSAGE_BYTES_MAX)], PARTITIONS))
    with pytest.raises(EventTooLargeError):
        list(pack([("key", b"x" * (MESSAGE_BYTES_MAX + 1))], PARTITIONS))
