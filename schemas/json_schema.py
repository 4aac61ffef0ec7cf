"""JSON Schema of every record that crosses a boundary."""

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
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "leakline records",
        "$defs": dict(sorted(components.items())),
    }
