"""OpenAI's usage reports: completions and embeddings, by hour, key and model. Pure.

Its costs come by the day only, and its reports of images, speech and tools count no tokens.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from pipeline.poll.report import PAGE_HOURS, Line, Page, Provider, Report, Row, decoded
from schemas.fields import Count, Identifier

_COMPLETIONS: Final = "/organization/usage/completions"
_EMBEDDINGS: Final = "/organization/usage/embeddings"
_GROUPS: Final = {
    _COMPLETIONS: ("api_key_id", "model", "batch"),
    _EMBEDDINGS: ("api_key_id", "model"),  # it does not tell batches
}


class _Row(Struct):
    input_tokens: Count
    """Cached and written to the cache included."""
    num_model_requests: Count
    output_tokens: Count = 0
    input_cached_tokens: Count | None = None
    api_key_id: Identifier | None = None
    model: Identifier | None = None
    batch: bool | None = None


class _Bucket(Struct):
    start_time: int
    end_time: int
    results: list[Raw]


_PAGE: Final = msgspec.json.Decoder(Page[_Bucket])
_ROW: Final = msgspec.json.Decoder(_Row)


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _query(path: str, report: Report) -> list[tuple[str, str]]:
    return [
        ("start_time", str(report.start)),
        ("end_time", str(report.end)),
        ("bucket_width", "1h"),
        ("limit", str(PAGE_HOURS)),
        *(("group_by", group) for group in _GROUPS[path]),
    ]


def _read(body: bytes, report: Report) -> str | None:
    page = decoded(body, _PAGE)
    for bucket in page.data:
        report.take(bucket.start_time, bucket.end_time, bucket.results, _row)
    return page.cursor


def _row(raw: bytes) -> Row:
    row = _ROW.decode(raw)
    cached = row.input_cached_tokens or 0
    line = Line(row.input_tokens, cached, row.output_tokens, row.num_model_requests)
    return Row(row.api_key_id, row.model, row.batch is True, line)


OPENAI: Final = Provider("openai", tuple(_GROUPS), _headers, _query, _read)
