"""The registry's file against the topic `keys`: what it says anew, and what it says no more.

Who wrote to the topic after the file had the last word. So what an entry is taken out of the file
withdraws is the file's own entry, and no other.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Final

from xxhash import xxh3_64_digest

from pipeline.journal import Journal, remembered
from schemas.codec import decode_record, encode
from schemas.key_record import KeyRecord

log = logging.getLogger(__name__)

ENTRY: Final = "key/"
"""Under it the entry of a key, as it was handed on from the topic."""
_FILE: Final = "file/"
"""Under it a hash of what the registry's file said last of a key …"""
_FOUND: Final = b"="
"""… with this behind it where the topic had said so before."""
WITHDRAWN: Final = b""
"""What a message on `keys` holds that takes an entry out."""


def news_of(registry: Mapping[str, KeyRecord], journal: Journal) -> Iterator[tuple[str, bytes]]:
    """What is to be put into the topic: key id and body."""
    yield from _withdrawn(registry, journal)
    for key_id, record in registry.items():
        raw, name = encode(record), _FILE + key_id
        digest = xxh3_64_digest(raw)
        if (journal.get(name) or b"").startswith(digest):
            continue
        found = journal.get(ENTRY + key_id) == raw
        journal.put(name, digest + _FOUND if found else digest)
        if not found:
            yield key_id, raw


def _withdrawn(registry: Mapping[str, KeyRecord], journal: Journal) -> Iterator[tuple[str, bytes]]:
    before = remembered(_FILE, journal)
    gone = {key_id: _own(key_id, journal) for key_id in before if key_id not in registry}
    guarded = {key_id for key_id, own in gone.items() if own and (own.protected or own.canary)}
    own = {key_id for key_id, own in gone.items() if own} - guarded
    if 2 * len(own) > len(before):
        log.error(
            "keys: %d of the %d entries that the file had are no longer in it. That may be a"
            " mistake, so none is withdrawn: take fewer out at once, or send empty messages",
            len(own),
            len(before),
        )
        return
    if guarded:  # nobody takes that from a key by leaving something out
        log.warning(
            "keys: %d entries that are no longer in the file stay: their keys are protected, or"
            " canaries. Let the file say otherwise first, or send empty messages",
            len(guarded),
        )
    for key_id in gone.keys() - guarded:
        journal.put(_FILE + key_id, None)
    for key_id in sorted(own):
        yield key_id, WITHDRAWN


def _own(key_id: str, journal: Journal) -> KeyRecord | None:
    """The entry of a key, if it is what the file said last, and nobody had said it before."""
    raw = journal.get(ENTRY + key_id)
    if raw is None or xxh3_64_digest(raw) != journal.get(_FILE + key_id):
        return None
    return decode_record(raw, KeyRecord)
