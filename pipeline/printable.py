"""Text from strangers as a terminal or a page may show it: control characters are not obeyed."""

import json


def printable(text: str, keep: str = "") -> str:
    """The text with an escape, as JSON writes it, for each character that does not show itself.

    Args:
        text: what somebody else may have chosen.
        keep: characters that are left as they are.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else json.dumps(c)[1:-1] for c in text)
