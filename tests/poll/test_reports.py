"""Pages as the providers document them, and what is read out of them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.baselines.billing import LEDGER_HOURS
from pipeline.poll.anthropic import ANTHROPIC
from pipeline.poll.openai import OPENAI
from pipeline.poll.report import HOUR, HOURS, Line, Provider, Report, UnreadableError
from tests.support.events import START
from tests.support.usage_reports import Used

NOW = START + 5 * HOUR + 1800
OVER = int(START) + 3 * HOUR
"""The last hour that has been over for an hour."""
BOTH = (OPENAI, ANTHROPIC)
TIMES = {
    "openai": ("start_time", "end_time"),
    "anthropic": ("starting_at", "ending_at"),
}


def form(provider: Provider, used: Used) -> dict[str, Any]:
    return used.as_openai() if provider is OPENAI else used.as_anthropic()


def page(provider: Provider, *buckets: tuple[int, list[Any]], **changes: object) -> bytes:
    """A page of buckets: (start, rows)."""
    first, last = TIMES[provider.name]
    data = [
        {"object": "bucket", first: stamp(provider, at), last: stamp(provider, at + HOUR)}
        | {"results": rows}
        for at, rows in buckets
    ]
    whole = {"object": "page", "data": data, "has_more": False, "next_page": None}
    return json.dumps(whole | changes).encode()


def stamp(provider: Provider, at: int) -> object:
    return at if provider is OPENAI else datetime.fromtimestamp(at, UTC).isoformat()


def read(provider: Provider, *pages: bytes) -> Report:
    report = Report(NOW)
    for body in pages:
        provider.read(body, report)
    return report


def test_hours_are_whole_over_for_an_hour_and_comparable() -> None:
    report = Report(NOW)
    assert report.end == OVER + HOUR
    assert report.start == report.end - HOURS * HOUR
    assert report.start % HOUR == 0
    assert Report(OVER + 2 * HOUR - 1).end == OVER
    assert Report(OVER + 2 * HOUR).end == OVER + HOUR
    assert HOURS + 2 <= LEDGER_HOURS, "older hours are compared with nothing"


def test_openais_page_as_documented() -> None:
    row = {
        "object": "organization.usage.completions.result",
        "input_tokens": 5200,
        "input_cached_tokens": 1900,
        "input_cache_write_tokens": 200,
        "input_uncached_tokens": 3100,
        "output_tokens": 1100,
        "input_text_tokens": 2700,
        "num_model_requests": 6,
        "project_id": "proj_1",
        "user_id": None,
        "api_key_id": "key_1",
        "model": "gpt-4o-mini-2024-07-18",
        "batch": False,
        "service_tier": "default",
    }
    report = read(OPENAI, page(OPENAI, (OVER, [row])))
    line = Line(5200, 1900, 1100, 6)
    assert report.hours == {OVER: {"key_1": {"gpt-4o-mini-2024-07-18": line}}}


def test_openais_embeddings_have_less_in_a_row() -> None:
    row = {"object": "organization.usage.embeddings.result", "input_tokens": 16}
    row |= {"num_model_requests": 2, "api_key_id": "key_1", "model": "text-embedding-3-small"}
    report = read(OPENAI, page(OPENAI, (OVER, [row])))
    assert report.hours[OVER]["key_1"] == {"text-embedding-3-small": Line(16, 0, 0, 2)}


def test_anthropics_page_as_documented() -> None:
    """What was read from a cache and what was written to one is input, too."""
    row = {
        "uncached_input_tokens": 1600,
        "cache_creation": {"ephemeral_1h_input_tokens": 900, "ephemeral_5m_input_tokens": 400},
        "cache_read_input_tokens": 300,
        "output_tokens": 700,
        "server_tool_use": {"web_search_requests": 3},
        "api_key_id": "apikey_01A",
        "workspace_id": "wrkspc_01B",
        "model": "claude-sonnet-4-20250514",
        "service_tier": "priority",
        "context_window": "0-200k",
    }
    report = read(ANTHROPIC, page(ANTHROPIC, (OVER, [row])))
    line = Line(1600 + 900 + 400 + 300, 300, 700, None)
    assert report.hours == {OVER: {"apikey_01A": {"claude-sonnet-4-20250514": line}}}


@pytest.mark.parametrize("provider", BOTH, ids=lambda each: each.name)
def test_what_nobody_can_use_is_left_out_and_counted(provider: Provider) -> None:
    rows: list[Any] = [
        form(provider, Used(OVER)),
        form(provider, Used(OVER, key=None)),
        form(provider, Used(OVER, batch=True)),
        form(provider, Used(OVER)) | {"output_tokens": -1},
        form(provider, Used(OVER)) | {"output_tokens": "many"},
        form(provider, Used(OVER)) | {"output_tokens": 10**13},
        form(provider, Used(OVER)) | {"api_key_id": "k" * 129},
        {"object": "other"},
        None,
        [],
    ]
    report = read(provider, page(provider, (OVER, rows)))
    assert report.left_out == {"no_key": 1, "batch": 1, "malformed": 7}
    (line,) = report.hours[OVER]["key_abc"].values()
    assert line.input_tokens == 5000


@pytest.mark.parametrize("provider", BOTH, ids=lambda each: each.name)
@pytest.mark.parametrize("hours", [-HOURS, 1, 2, 0.5])
def test_hours_that_nobody_asked_for_are_left_out(provider: Provider, hours: float) -> None:
    """Such as one that is not over: its bill would be too small, and a later one be stolen use."""
    at = OVER + int(hours * HOUR)
    report = read(provider, page(provider, (at, [form(provider, Used(at))])))
    assert not report.hours
    assert report.left_out == {"malformed": 1}


@pytest.mark.parametrize("provider", BOTH, ids=lambda each: each.name)
def test_a_day_is_no_hour(provider: Provider) -> None:
    first, last = TIMES[provider.name]
    rows = [form(provider, Used(OVER))]
    bucket = {first: stamp(provider, OVER - 23 * HOUR), last: stamp(provider, OVER + HOUR)}
    report = read(provider, page(provider, data=[bucket | {"results": rows}]))
    assert not report.hours


BROKEN = [b"", b"{", b"[]", b"\xff", b"[" * 10_000, b'{"data": 3}', b'{"data": [{"results": []}]}']


@pytest.mark.parametrize("provider", BOTH, ids=lambda each: each.name)
@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_page_is_refused_and_not_quoted(provider: Provider, body: bytes) -> None:
    with pytest.raises(UnreadableError, match="no page of a usage report"):
        provider.read(body, Report(NOW))


@pytest.mark.parametrize("provider", BOTH, ids=lambda each: each.name)
def test_the_next_page_is_named_as_long_as_there_is_one(provider: Provider) -> None:
    more = page(provider, has_more=True, next_page="page_2")
    assert provider.read(more, Report(NOW)) == "page_2"
    over = page(provider, has_more=False, next_page="page_2")
    assert provider.read(over, Report(NOW)) is None
    with pytest.raises(UnreadableError, match="does not name it"):
        provider.read(page(provider, has_more=True), Report(NOW))


USED = st.builds(
    Used,
    start=st.sampled_from([OVER, OVER - HOUR, OVER - 5 * HOUR]),
    key=st.sampled_from(["a", "b", None]),
    model=st.sampled_from(["m", "n", None]),
    uncached=st.integers(0, 10**6),
    cached=st.integers(0, 10**6),
    output=st.integers(0, 10**6),
    requests=st.integers(0, 100),
    batch=st.booleans(),
)


@pytest.mark.parametrize("provider", BOTH, ids=lambda each: each.name)
@given(used=st.lists(USED, max_size=12), cuts=st.lists(st.integers(0, 12), max_size=4))
def test_however_rows_are_cut_into_pages_the_sums_are_the_same(
    provider: Provider, used: list[Used], cuts: list[int]
) -> None:
    """Also where a bucket goes on in the next page, and a model has many rows."""
    report = read(provider, *pages(provider, used, cuts))
    wanted: dict[tuple[int, str, str], list[int]] = {}
    for each in used:
        if each.key is not None and not each.batch:
            sums = wanted.setdefault((each.start, each.key, each.model or ""), [0, 0])
            sums[0] += each.uncached + each.cached
            sums[1] += each.output
    assert wanted == {
        (start, key, model): [line.input_tokens, line.output_tokens]
        for start, keys in report.hours.items()
        for key, lines in keys.items()
        for model, line in lines.items()
    }


def pages(provider: Provider, used: list[Used], cuts: list[int]) -> Iterator[bytes]:
    ends = sorted({*cuts, len(used)})
    for first, last in zip([0, *ends], ends, strict=False):
        part = used[first:last]
        hours = sorted({each.start for each in part})
        buckets = [(at, [form(provider, u) for u in part if u.start == at]) for at in hours]
        yield page(provider, *buckets)
