"""Words for Slack that are inert, whatever a caller put into a user agent or an alias.

Text from outside goes into `plain_text` objects, which have no formatting, and never into
`mrkdwn`; control characters are dropped, and `&<>` are escaped, so that no mention can form.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from schemas.redaction import scrub_text

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKS = re.compile(r"[*~`]|(?<![^\W_])_|_(?![^\W_])")
"""What formats; an underscore within a word does not."""


def inert(text: str, length_max: int) -> str:
    """Text in a line, without secrets, control characters or markup, cut once it is escaped."""
    pieces = _pieces(text)
    if sum(map(len, pieces)) <= length_max:
        return "".join(pieces)
    return _within(pieces, length_max - 1) + "…"


def inert_name(text: str, length_max: int) -> str:
    """The same, but cut in the middle: names that begin alike often end differently."""
    pieces = _pieces(text)
    if sum(map(len, pieces)) <= length_max:
        return "".join(pieces)
    end = _within(reversed(pieces), length_max // 2, backwards=True)
    return _within(pieces, length_max - 1 - len(end)) + "…" + end


def unmarked(text: str) -> str:
    """Inert text for where Slack may read mrkdwn: characters that format become spaces."""
    return _MARKS.sub(" ", text)


def flat(text: str, length_max: int) -> str:
    """Both: inert, and unmarked."""
    return unmarked(inert(text, length_max))


def _pieces(text: str) -> list[str]:
    """Text in one line: a line of its own could pass for one of ours."""
    shown = (" " if char.isspace() else char for char in scrub_text(text))
    return [_ESCAPES.get(char, char) for char in shown if char.isprintable()]


def _within(pieces: Iterable[str], length_max: int, *, backwards: bool = False) -> str:
    """As many pieces as fit, none of them cut in two."""
    kept: list[str] = []
    for piece in pieces:
        length_max -= len(piece)
        if length_max < 0:
            break
        kept.append(piece)
    return "".join(reversed(kept) if backwards else kept)


def short_id(key_id: str) -> str:
    """A key's id; of a hash only the beginning."""
    return key_id[:19] + "…" if key_id.startswith("sha256:") else key_id


def moment(at: float) -> str:
    """Unix seconds as a date and a time that a person reads at once."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def time_after(at: float, earlier: float) -> str:
    """The same, without the date when it is that of an earlier time beside it."""
    long = moment(at)
    date, _, rest = long.partition(" ")
    return rest if moment(earlier).startswith(date) else long
