"""Answers as people and programs want them: a table, CSV, JSON.

Stored texts come from strangers. In a terminal their control characters are shown, not obeyed; in
a spreadsheet they are text, not formulas. Elsewhere CSV and JSON hold them as they are.
"""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from pipeline.printable import printable
from pipeline.store.client import Rows

_JSON = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
_FORMULA_BEGINNINGS = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
"""The last are the first four at full width: some spreadsheets take them for the same."""
_CELL_LENGTH_MAX = 60


def as_json(rows: Rows) -> bytes:
    """A list of objects, one a line."""
    lines = b",\n".join(_JSON.encode(row) for row in rows.dicts())
    return b"[" + lines + b"]\n"


def as_csv(rows: Rows) -> bytes:
    """RFC 4180 with a header; a text that a spreadsheet would run begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_inert(name) for name in rows.names])
    writer.writerows([_csv_cell(value) for value in row] for row in rows.rows)
    return out.getvalue().encode()


def for_terminal(answer: bytes) -> bytes:
    """CSV or JSON as a terminal may be sent it; JSON means the same as before."""
    text = answer.decode(errors="surrogateescape").replace("\r\n", "\n")
    return printable(text, keep="\n").encode()


def as_table(rows: Rows) -> bytes:
    """Columns side by side, numbers to the right; long texts are cut."""
    cells = [[_table_cell(value) for value in row] for row in rows.rows]
    columns = [list(column) for column in zip(rows.names, *cells, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    right = [
        any(isinstance(row[i], (int, float, Decimal)) for row in rows.rows)
        for i in range(len(widths))
    ]

    def line(parts: list[str]) -> str:
        aligned = [
            part.rjust(width) if to_right else part.ljust(width)
            for part, width, to_right in zip(parts, widths, right, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    lines = [line(list(rows.names)), line(["─" * width for width in widths]), *map(line, cells)]
    lines.append(f"({len(rows.rows)} row{'' if len(rows.rows) == 1 else 's'})")
    return ("\n".join(lines) + "\n").encode()


RENDERERS: Final[dict[str, Callable[[Rows], bytes]]] = {
    "table": as_table,
    "csv": as_csv,
    "json": as_json,
}
"""By name; Parquet comes from the store itself (`export_question`, `export_sql`)."""


def _inert(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA_BEGINNINGS) else text


def _csv_cell(value: Any) -> object:  # noqa: ANN401 - whatever ClickHouse has
    if value is None:
        return ""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Decimal):
        return _number(value)
    return _inert(_text(value))


def _table_cell(value: Any) -> str:  # noqa: ANN401 - whatever ClickHouse has
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Decimal):
        return _number(value)
    text = printable(_text(value))
    return text if len(text) <= _CELL_LENGTH_MAX else text[: _CELL_LENGTH_MAX - 1] + "…"


def _number(value: Decimal) -> str:
    whole, _, places = f"{value:f}".partition(".")
    places = places.rstrip("0")
    return f"{whole}.{places}" if places else whole


def _text(value: Any) -> str:  # noqa: ANN401 - whatever ClickHouse has
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, (list, tuple, dict)):
        return _JSON.encode(value).decode()
    return str(value)
