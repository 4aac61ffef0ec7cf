"""The registry's file against the topic `keys`: what it says anew, and what it says no more.

Who wrote to the topic after the file had the last word. So what an entry is taken out of the file
withdraws is the file's own entry, and no other.
"""

import logging
from collections.abc import Generator, Iterator, Mapping
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
_LATE: Final = "late/"
"""Under it what came with a file that had lost most of its entries, until one has them again."""
WITHDRAWN: Final = b""
"""What a message on `keys` holds that takes an entry out."""


def news_of(registry: Mapping[str, KeyRecord], journal: Journal) -> Iterator[tuple[str, bytes]]:
    """What is to be put into the topic: key id and body.

    What the journal remembers of an entry changes as it is asked for, so that a part of them, put
    into the topic in one transaction with it, leaves the rest to whoever asks again.
    """
    doubted = yield from _withdrawn(registry, journal)
    for key_id, record in registry.items():
        raw, name = encode(record), _FILE + key_id
        digest, before = xxh3_64_digest(raw), journal.get(name)
        if (before or b"").startswith(digest):
            continue
        if doubted and before is None:
            journal.put(_LATE + key_id, digest)
        found = journal.get(ENTRY + key_id) == raw
        journal.put(name, digest + _FOUND if found else digest)
        if not found:
            yield key_id, raw


def _withdrawn(
    registry: Mapping[str, KeyRecord], journal: Journal
) -> Generator[tuple[str, bytes], None, bool]:
    """What the file says no more; whether so much is missing that nothing of it is withdrawn."""
    before, late = set(remembered(_FILE, journal)), set(remembered(_LATE, journal))
    gone = before - registry.keys()
    guarded = {key_id for key_id in gone if _is_guarded(key_id, journal)}
    going = gone - guarded
    own = sorted(key_id for key_id in going if _is_own(key_id, journal))
    # Those that stay anyhow count on neither side: they would hide that a file was emptied. So
    # would those that came in the place of others, when `reconcile` starts once more.
    missing, had = len(going - late), len(before - guarded - late)
    if own and 2 * missing > had:
        log.error(
            "keys: %d of the %d entries that the file had are no longer in it. That may be a"
            " mistake, so none is withdrawn: take fewer out at once, or send empty messages",
            missing,
            had,
        )
        return True
    if guarded:  # nobody takes that from a key by leaving something out, and putting it back
        log.warning(
            "keys: %d entries that are no longer in the file stay: their keys are protected, or"
            " canaries. Let the file say otherwise first, or send empty messages",
            len(guarded),
        )
    others = going.difference(own)
    for name in (*(_FILE + key_id for key_id in others), *(_LATE + key_id for key_id in late)):
        journal.put(name, None)
    for key_id in own:
        journal.put(_FILE + key_id, None)
        yield key_id, WITHDRAWN
    return False


def _is_guarded(key_id: str, journal: Journal) -> bool:
    """Whether the entry of a key, whoever said it last, makes it protected or a canary."""
    raw = journal.get(ENTRY + key_id)
    entry = decode_record(raw, KeyRecord) if raw is not None else None
    return entry is not None and (entry.protected or entry.canary)


def _is_own(key_id: str, journal: Journal) -> bool:
    """Whether the entry of a key is what the file said last, and nobody had said it before."""
    raw = journal.get(ENTRY + key_id)
    return raw is not None and xxh3_64_digest(raw) == journal.get(_FILE + key_id)
