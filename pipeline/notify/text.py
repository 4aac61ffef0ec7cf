"""Words for Slack that are inert, whatever a caller put into a user agent or an alias.

Text from outside goes into `plain_text` objects, which have no formatting, and never into
`mrkdwn`; control characters are dropped, and `&<>` are escaped, so that no mention can form.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from schemas.redaction import scrub_text

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKS = str.maketrans(dict.fromkeys("*_~`", " "))


def inert(text: str, length_max: int) -> str:
    """Text without secrets, control characters or markup, cut to a length after escaping."""
    return _cut(scrub_text(text), length_max)


def flat(text: str, length_max: int) -> str:
    """The same for text that Slack may read as mrkdwn: formatting characters become spaces."""
    return _cut(scrub_text(text).translate(_MARKS), length_max)


def _cut(text: str, length_max: int) -> str:
    pieces = [_ESCAPES.get(char, char) for char in text if char.isprintable() or char == "\n"]
    if sum(map(len, pieces)) <= length_max:
        return "".join(pieces)
    return _within(pieces, length_max - 1) + "…"


def _within(pieces: Iterable[str], length_max: int) -> str:
    """As many pieces as fit, none of them cut in two."""
    kept: list[str] = []
    for piece in pieces:
        length_max -= len(piece)
        if length_max < 0:
            break
        kept.append(piece)
    return "".join(kept)


def short_id(key_id: str) -> str:
    """A key's id; of a hash only the beginning."""
    return key_id[:19] + "…" if key_id.startswith("sha256:") else key_id


def moment(at: float) -> str:
    """Unix seconds as a date and a time that a person reads at once."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
