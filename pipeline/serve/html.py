"""HTML that cannot be broken out of and tells no secret: texts are scrubbed and escaped.

Characters that show nothing are shown as their escapes.
"""

from html import escape
from typing import Final

from pipeline.printable import printable
from schemas.redaction import scrub_text

_VOID: Final = frozenset({"meta", "link", "line", "circle", "rect", "polyline", "path"})


class Html(str):
    """Markup. Only this module and constants make it; any other text is made safe."""

    __slots__ = ()


def tag(
    name: str, /, *children: "Html | str | int | None", **attributes: str | float | None
) -> Html:
    """An element. `class_` and `for_` stand for `class` and `for`; `_` within a name for `-`."""
    opened = name + "".join(
        f' {_name(key)}="{_text(value)}"' for key, value in attributes.items() if value is not None
    )
    if name in _VOID and not children:
        return Html(f"<{opened}/>")
    return Html(f"<{opened}>{join(*children)}</{name}>")


def join(*children: "Html | str | int | None") -> Html:
    """Markup of several parts, one after the other."""
    return Html("".join(_put(child) for child in children if child is not None))


def _put(child: "Html | str | int") -> str:
    return child if isinstance(child, Html) else _text(child)


def _text(value: str | float) -> str:
    # What turns the direction of a line would have it read as something else.
    return escape(printable(scrub_text(str(value)), keep="\n"))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
