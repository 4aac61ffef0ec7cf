"""What is wrong with the key registry's file, and what is doubtful, each in a line."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

import msgspec

from detectors.words import counted, quoted
from pipeline.config import Config
from pipeline.printable import printable
from pipeline.replay.lines import ReplayError, read_lines
from schemas.codec import UNDECODABLE, Refused, decode_control
from schemas.key_record import KeyRecord
from schemas.redaction import HASHED, other_form, scrub_text

_LINES_MAX: Final = 20
"""Lines that are said; the others are counted."""


class Checked(NamedTuple):
    """What came of a look at the file."""

    mistakes: list[str]
    """Entries that are refused."""
    doubts: list[str]
    """What is taken, and hardly meant."""


def check_registry(config: Config) -> Checked:
    """Look at every entry of the configured file, if there is one."""
    path = config.keys
    if path is None or not path.is_file():
        return Checked([], [])
    mistakes: list[str] = []
    doubts: dict[str, list[int]] = {}
    try:
        for number, line in enumerate(read_lines(path), 1):
            if not line.strip():
                continue
            try:
                record, written = decode_control(line, KeyRecord), msgspec.json.decode(line)
            except Refused as refused:
                mistakes.append(f"{path}:{number}: {refused.detail}")
                continue
            except UNDECODABLE:
                doubts.setdefault("a field that there is not cannot be read", []).append(number)
                continue
            for doubt in _doubts(written, record, config):
                doubts.setdefault(doubt, []).append(number)
    except ReplayError as error:
        mistakes.append(str(error))
    told = (f"{path}:{where[0]}: {doubt}{_again(where)}" for doubt, where in doubts.items())
    return Checked(_cut(mistakes), _cut(told))


def _doubts(written: dict[str, Any], record: KeyRecord, config: Config) -> Iterator[str]:
    names = KeyRecord.__struct_fields__
    for name in written:
        if name not in names:
            close = get_close_matches(name, names, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield f"there is no field {_shown(name)}{hint}"
    kinds: dict[str, str] = {each.name: each.kind for each in config.response.gateways}
    if record.gateway and record.gateway not in kinds:
        yield f"gateway: there is none called {_shown(record.gateway)}"
    kind = kinds.get(record.gateway or config.response.default_gateway or "")
    if "litellm" in (kinds.values() if kind is None else (kind,)):
        yield from _form(written["key_id"], record.key_id)


def _form(written: str, key_id: str) -> Iterator[str]:
    alone = other_form(key_id) if key_id.startswith(HASHED) else None
    if alone is None:
        return
    yield "key_id: LiteLLM's payloads name a key by the 64 digits of its hash alone: write " + (
        f"it without {HASHED}" if written == key_id else f'"{alone}" instead of the key'
    )


def _shown(name: str) -> str:
    return printable(quoted(scrub_text(name)))


def _again(where: list[int]) -> str:
    return f" (and in {counted(len(where) - 1, 'more line')})" if len(where) > 1 else ""


def _cut(lines: Iterable[str]) -> list[str]:
    said = list(lines)
    left = len(said) - _LINES_MAX
    return said if left <= 0 else [*said[:_LINES_MAX], f"… and {counted(left, 'more such line')}"]
