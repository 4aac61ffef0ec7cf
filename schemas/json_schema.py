"""JSON Schema of every record that crosses a boundary."""

import ast
import inspect
from itertools import pairwise
from typing import Any

import msgspec

from schemas.calibration import Calibration, Tail
from schemas.incident import Signal
from schemas.label import Label
from schemas.notice import Notice
from schemas.provider_usage import ProviderUsage
from schemas.topics import TOPICS

RECORDS: tuple[type[msgspec.Struct], ...] = (
    *(topic.body for topic in TOPICS if topic.body is not None),
    Calibration,
    Label,
    Notice,
)
"""The bodies of the topics; the control record that has no topic of its own; and the lines of files
that `leakline evaluate` reads and `leakline replay --notices` writes.

Left out is what only leakline's own workers say to one another: states, `JoinedUsage` and
`UseQuestion` on `usage-events`, and the answers on `gateway-use`.
"""
_PARTS: tuple[type[msgspec.Struct], ...] = (Signal, Tail)
"""What records hold."""


def json_schema() -> dict[str, Any]:
    """One document (JSON Schema 2020-12) with a definition for each record, by its name."""
    _, components = msgspec.json.schema_components(RECORDS, ref_template="#/$defs/{name}")
    for record in (*RECORDS, *_PARTS):
        fields = components[record.__name__]["properties"]
        for name, meaning in meanings(record).items():
            fields[name]["description"] = meaning
    components[ProviderUsage.__name__]["anyOf"] = [
        {"required": [name], "properties": {name: {"type": "string"}}}
        for name in ("key_id", "provider_key_id")
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "leakline records",
        "$defs": dict(sorted(components.items())),
    }


def meanings(record: type[msgspec.Struct]) -> dict[str, str]:
    """What is said of a record's own fields, behind each of them; nothing without its source."""
    try:
        source = inspect.getsource(record)
    except OSError:  # of an installation that was stripped to its byte code
        return {}
    (record_class,) = ast.parse(source).body
    said: dict[str, str] = {}
    body = record_class.body if isinstance(record_class, ast.ClassDef) else []
    for field, text in pairwise(body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                said[name] = " ".join(words.split())
    return said
