"""Usage events packed into messages, one event a line."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from schemas.partition import partition_of
from schemas.topics import CONTENT_TYPE_HEADER, MESSAGE_BYTES_MAX, NDJSON

PACKED: Final[Mapping[str, str]] = {CONTENT_TYPE_HEADER: NDJSON}
"""Headers of a packed message."""


class EventTooLargeError(ValueError):
    """An event does not fit into a message."""


def pack(events: Iterable[tuple[str, bytes]], partitions: int) -> Iterator[tuple[int, bytes]]:
    """Group events, (key id, JSON on one line), into messages: (partition, NDJSON).

    The order of a key's events is kept. No message is larger than `MESSAGE_BYTES_MAX`.

    Raises:
        EventTooLargeError: an event alone is larger.
    """
    open_lines: defaultdict[int, list[bytes]] = defaultdict(list)
    sizes: defaultdict[int, int] = defaultdict(int)
    places: dict[str, int] = {}
    for key_id, line in events:
        if len(line) > MESSAGE_BYTES_MAX:
            raise EventTooLargeError(f"an event of {len(line)} bytes does not fit into a message")
        place = places.get(key_id)
        if place is None:
            place = places[key_id] = partition_of(key_id, partitions)
        if sizes[place] + len(line) > MESSAGE_BYTES_MAX:
            yield place, b"\n".join(open_lines.pop(place))
            sizes[place] = 0
        open_lines[place].append(line)
        sizes[place] += len(line) + 1
    for place, lines in open_lines.items():
        yield place, b"\n".join(lines)
