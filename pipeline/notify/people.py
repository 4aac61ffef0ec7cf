"""What people and policies are called: Slack's ids are for machines."""

import re
from collections.abc import Mapping

from pipeline.notify.text import inert

NAME_LENGTH_MAX = 64
_USER_ID = re.compile(r"\b[UW][A-Z0-9]+\b")

Names = Mapping[str, str]
"""What Slack calls its users, by their ids; those who never pressed a button are not in it."""


def called(by: str | None, names: Names) -> str:
    """Who said or asked for something, in words: `slack:<user>`, `policy:<rule>` and the like."""
    if by is None:
        return "nobody"
    kind, _, name = by.partition(":")
    if kind == "slack":
        name = names.get(name) or name
    shown = inert(name or kind, NAME_LENGTH_MAX)
    return f"the policy ({shown})" if kind == "policy" else shown


def with_names(text: str, names: Names) -> str:
    """A text in which users have names instead of ids."""
    return _USER_ID.sub(lambda found: names.get(found[0], found[0]), text)
