"""A record of the log, whichever log it came from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.topics import CONTENT_TYPE_HEADER, NDJSON, RECORD_HEADER, TOLD_HEADER

_SECONDS = re.compile("[0-9]{1,12}")
"""Anybody who may write to the log chooses a header."""


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka message, or a line of a replayed file."""

    topic: str
    """The topic, or the file's name."""
    partition: int
    offset: int
    """Offset in the partition, or line in the file (from 1)."""
    value: bytes
    appended_at: float
    """Unix seconds at which the log took the message."""
    key: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def record(self) -> str:
        """`usage`, or the kind of control record."""
        return self.headers.get(RECORD_HEADER, "usage")

    @property
    def packed(self) -> bool:
        """Whether it holds one event a line."""
        kind = self.headers.get(CONTENT_TYPE_HEADER, "")
        # Parameters, such as a charset, change nothing.
        return kind == NDJSON or kind.partition(";")[0].strip().lower() == NDJSON

    @property
    def told_at(self) -> int:
        """Unix seconds at which the registry told of a key; 0 when that is not known."""
        told = self.headers.get(TOLD_HEADER, "")
        return int(told) if _SECONDS.fullmatch(told) else 0
