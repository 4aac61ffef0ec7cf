"""Anthropic's usage report of messages, by hour, key and model. Pure.

Its cost report names no keys, and this one counts no requests.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Raw, Struct

from pipeline.poll.report import PAGE_HOURS, Line, Page, Provider, Report, Row, decoded
from schemas.fields import AwareDatetime, Count, Identifier

_MESSAGES: Final = "/v1/organizations/usage_report/messages"
_GROUPS: Final = ("api_key_id", "model", "service_tier")


class _Written(Struct):
    ephemeral_1h_input_tokens: Count = 0
    ephemeral_5m_input_tokens: Count = 0


class _Row(Struct):
    uncached_input_tokens: Count
    output_tokens: Count
    cache_read_input_tokens: Count = 0
    cache_creation: _Written | None = None
    api_key_id: Identifier | None = None
    model: Identifier | None = None
    service_tier: str | None = None


class _Bucket(Struct):
    starting_at: AwareDatetime
    ending_at: AwareDatetime
    results: list[Raw]


_PAGE: Final = msgspec.json.Decoder(Page[_Bucket])
_ROW: Final = msgspec.json.Decoder(_Row)


def _headers(key: str) -> dict[str, str]:
    return {"x-api-key": key, "anthropic-version": "2023-06-01"}


def _query(path: str, report: Report) -> list[tuple[str, str]]:
    del path
    return [
        ("starting_at", _time(report.start)),
        ("ending_at", _time(report.end)),
        ("bucket_width", "1h"),
        ("limit", str(PAGE_HOURS)),
        *(("group_by[]", group) for group in _GROUPS),
    ]


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(body: bytes, report: Report) -> str | None:
    page = decoded(body, _PAGE)
    for bucket in page.data:
        start, end = bucket.starting_at.timestamp(), bucket.ending_at.timestamp()
        report.take(start, end, bucket.results, _row)
    return page.cursor


def _row(raw: bytes) -> Row:
    row = _ROW.decode(raw)
    read, written = row.cache_read_input_tokens, row.cache_creation or _Written()
    cached = read + written.ephemeral_1h_input_tokens + written.ephemeral_5m_input_tokens
    line = Line(row.uncached_input_tokens + cached, read, row.output_tokens)
    return Row(row.api_key_id, row.model, row.service_tier == "batch", line)


ANTHROPIC: Final = Provider("anthropic", (_MESSAGES,), _headers, _query, _read)
