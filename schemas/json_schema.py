"""JSON Schema of every record that crosses a boundary."""

import ast
import inspect
from itertools import pairwise
from typing import Any

import msgspec

from schemas.calibration import Calibration
from schemas.topics import TOPICS

RECORDS: tuple[type[msgspec.Struct], ...] = (
    *(topic.body for topic in TOPICS if topic.body is not None),
    Calibration,
)
"""The bodies of the topics, and the record that travels on `usage-events` alone."""


def json_schema() -> dict[str, Any]:
    """One document (JSON Schema 2020-12) with a definition for each record, by its name."""
    _, components = msgspec.json.schema_components(RECORDS, ref_template="#/$defs/{name}")
    for record in RECORDS:
        fields = components[record.__name__]["properties"]
        for name, meaning in meanings(record).items():
            fields[name]["description"] = meaning
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "leakline records",
        "$defs": dict(sorted(components.items())),
    }


def meanings(record: type[msgspec.Struct]) -> dict[str, str]:
    """What is said of a record's own fields, behind each of them."""
    (record_class,) = ast.parse(inspect.getsource(record)).body
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
