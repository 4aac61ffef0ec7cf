"""The codes of countries."""

from functools import cache
from importlib.resources import files
from typing import Final

_ALSO: Final = {"XK": "Kosovo"}
"""Not assigned by ISO, but files of geography have it."""
_CALLED: Final = {
    "EL": "GR",
    "GREAT BRITAIN": "GB",
    "UK": "GB",
    "UNITED KINGDOM": "GB",
    "USA": "US",
}
"""What is written for a code, and is none."""


@cache
def _names() -> dict[str, str]:
    # The list of ISO 3166-1 that comes with the time zones.
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    lines = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return _ALSO | dict(lines)


def is_country(code: str) -> bool:
    """Whether it is an ISO 3166-1 alpha-2 code, in letters of either case."""
    return code.upper() in _names()


def code_meant(text: str) -> str | None:
    """The code of a country that is called otherwise; None when that is not known."""
    called = text.strip().upper()
    if is_country(called):
        return called
    named = (code for code, name in _names().items() if name.upper() == called)
    return _CALLED.get(called) or next(named, None)
