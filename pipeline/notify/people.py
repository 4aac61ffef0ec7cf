"""What people and policies are called."""

from pipeline.notify.text import inert

NAME_LENGTH_MAX = 64


def called(by: str | None) -> str:
    """Who said or asked for something, in words: `slack:<user>`, `policy:<rule>` and the like."""
    if by is None:
        return "nobody"
    kind, _, name = by.partition(":")
    shown = inert(name or kind, NAME_LENGTH_MAX)
    return f"the policy ({shown})" if kind == "policy" else shown
