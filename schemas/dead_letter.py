"""An event that could not be folded, with the reason (topic `dead-letters`)."""

import base64
from typing import Literal, get_args

from msgspec import Struct

from schemas.fields import Time, utc
from schemas.redaction import scrub

Reason = Literal[
    "empty_message",
    "not_utf8",
    "not_json",
    "not_an_object",
    "too_large",
    "missing_field",
    "wrong_type",
    "identifier_length",
    "negative_number",
    "not_finite",
    "out_of_range",
    "bad_time",
    "time_too_old",
    "time_in_future",
    "misplaced_twice",
    "unknown_record",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
PAYLOAD_BYTES_MAX = 64 * 1024
"""Larger payloads are left at their source offset."""


class DeadLetter(Struct, kw_only=True):
    """Where the event stood, why it was refused, and its known fields, with secrets scrubbed."""

    topic: str
    """The topic, or the file of a replay."""
    partition: int = 0
    offset: int
    """Offset in the partition, line in the file (from 1), or the intake's hash of the item."""
    index: int = 0
    """Place within a packed message."""
    reason: Reason
    detail: str
    """One sentence."""
    received_at: Time
    payload: str
    """Base64; empty when it is left at its source offset, or nobody can tell what is in it."""

    def __post_init__(self) -> None:
        self.received_at = utc(self.received_at)


def pack_payload(raw: bytes) -> str:
    """Base64 of a payload without its secrets, or nothing when it is too large to carry."""
    scrubbed = scrub(raw)
    return base64.b64encode(scrubbed).decode() if len(scrubbed) <= PAYLOAD_BYTES_MAX else ""
