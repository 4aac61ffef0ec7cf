"""Records off topics that others may write to as well."""

import logging
from typing import TypeVar

import msgspec

from pipeline.message import Message
from schemas.codec import Refused, decode_record

Record = TypeVar("Record", bound=msgspec.Struct)

log = logging.getLogger(__name__)


def read_record(message: Message, kind: type[Record]) -> Record | None:
    """The record in a message; None, and a line in the log, when it holds none."""
    try:
        return decode_record(message.value, kind)
    except Refused as refused:
        log.warning("%s at offset %d is skipped: %s", message.topic, message.offset, refused)
        return None
