"""What a stage remembers of the key registry, in its own journal."""

import msgspec

from pipeline.journal import Journal, remembered
from pipeline.message import Message
from schemas.codec import Refused, decode_control, encode
from schemas.key_record import KeyRecord
from schemas.redaction import public_key_id

_PREFIX = "key/"


def remember_key(message: Message, journal: Journal) -> None:
    """Keep an entry of the registry, or forget it when its message is empty."""
    if not message.value:
        key_id = public_key_id((message.key or b"").decode(errors="replace"))
        journal.put(_PREFIX + key_id, None)
        return
    try:
        record = decode_control(message.value, KeyRecord)
    except Refused:
        return  # whoever loads the registry reports its mistakes
    journal.put(_PREFIX + record.key_id, encode(record))


def key_record(key_id: str, journal: Journal) -> KeyRecord | None:
    """The registry's entry of a key."""
    value = journal.get(_PREFIX + key_id)
    return None if value is None else msgspec.json.decode(value, type=KeyRecord)


def fleet_keys(journal: Journal) -> int:
    """How many keys the registry has."""
    return len(remembered(_PREFIX, journal))
