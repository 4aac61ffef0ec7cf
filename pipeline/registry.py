"""What a stage remembers of the key registry, in its own journal."""

import msgspec

from pipeline.journal import Journal, remembered
from pipeline.message import Message
from schemas.codec import Refused, decode_control, encode
from schemas.key_record import KeyRecord
from schemas.redaction import public_key_id

_PREFIX = "key/"


def entry_of(message: Message) -> KeyRecord:
    """The entry in a message on `keys`: of an empty one, which withdraws it, the key alone.

    Raises:
        Refused: it cannot be used.
    """
    said = message.value or encode(KeyRecord(key_id=key_of(message)))
    return decode_control(said, KeyRecord)


def key_of(message: Message) -> str:
    """The key that a message says it is about, never a secret; empty when it says none."""
    return public_key_id((message.key or b"").decode(errors="replace"))


def remember_key(message: Message, journal: Journal) -> None:
    """Keep an entry of the registry, or forget it when its message is empty."""
    if not message.value:
        journal.put(_PREFIX + key_of(message), None)
        return
    try:
        record = entry_of(message)
    except Refused:
        return  # the sink keeps it as a dead letter, and reconcile says so
    journal.put(_PREFIX + record.key_id, encode(record))


def key_record(key_id: str, journal: Journal) -> KeyRecord | None:
    """The registry's entry of a key."""
    value = journal.get(_PREFIX + key_id)
    return None if value is None else msgspec.json.decode(value, type=KeyRecord)


def fleet_keys(journal: Journal) -> int:
    """How many keys the registry has."""
    return len(remembered(_PREFIX, journal))
