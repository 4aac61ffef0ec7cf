"""What is kept of a refused record: its known fields, since in any other there may be prompts."""

import json
from collections.abc import Collection
from typing import Final

from schemas.redaction import beginning, end, public_key_id

TEXTS_MAX: Final = 32
"""Items kept of a list."""
_DIGITS_MAX: Final = 256
_IDS: Final = frozenset({"event_id", "key_id", "provider_key_id"})
_FORWARDED: Final = "client_ip"
"""Of a list of hops the left end is the client's word."""


class _Object(dict[str, object]):
    """An object of JSON."""

    def __init__(self, fields: list[tuple[str, object]]) -> None:
        super().__init__(fields)
        self.said = len(fields)
        """How many fields its text has, those that it says twice counted twice."""


def known_fields(raw: bytes, names: Collection[str]) -> bytes | None:
    """The named fields of a record as JSON, the record itself where it has no more than those.

    A text is cut, and what a value should not contain is left out of it: an object is `{}` and a
    list within a list `[]`, so that it is still refused for what it was refused for.

    Returns:
        None when it is no JSON object: nobody can tell its fields apart.
    """
    try:
        record = json.loads(raw, parse_int=_number, object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, _Object):
        return None
    kept = {name: _value(name, record[name]) for name in record if name in names}
    # Of a field that is said twice, the text has what the record has not.
    if record.said == len(kept) and all(kept[name] is record[name] for name in kept):
        return raw
    # As text, so that a name is found in it; half a surrogate pair remains an escape.
    return json.dumps(kept, ensure_ascii=False).encode(errors="backslashreplace")


def _number(digits: str) -> int:
    return int(digits[:_DIGITS_MAX])


def _value(name: str, value: object) -> object:
    """What is kept of a value; the same object where that is all of it."""
    if not isinstance(value, list):
        return _single(name, value)
    kept = [_single(name, item) for item in value[:TEXTS_MAX]]
    unchanged = len(kept) == len(value) and all(map(_is, kept, value))
    return value if unchanged else kept


def _single(name: str, value: object) -> object:
    if isinstance(value, dict):
        return value and {}
    if isinstance(value, list):
        return value and []
    if not isinstance(value, str):
        return value
    if name in _IDS:  # before it is cut: of a secret's hash nothing may depend on where
        value = public_key_id(value)
    return end(value) if name == _FORWARDED else beginning(value)


def _is(one: object, other: object) -> bool:
    return one is other
