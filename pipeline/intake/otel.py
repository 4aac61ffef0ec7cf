"""OpenTelemetry: OTLP/JSON spans with `gen_ai.*` attributes.

The conventions have no attribute for the key or the cost, so that instrumentation adds ours:
`leakline.key.hash` (needed, on the span or its resource) and `leakline.cost.usd`. Spans that are
no calls of a model are passed over.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from math import inf
from typing import Final

import msgspec

from pipeline.intake.batch import ITEMS_MAX, Batch, Rejected, timely
from pipeline.intake.failures import FAILED, kind_of, known_failure
from pipeline.intake.lenient import (
    count,
    decoded,
    dollars,
    elapsed_ms,
    flag,
    identifier,
    number_of,
    right,
    table,
    text,
    whole,
)
from schemas.codec import Refused, redacted
from schemas.usage_event import UsageEvent

FIELDS: Final = frozenset({"traceId", "spanId", "startTimeUnixNano", "endTimeUnixNano"})
"""What is kept of a refused span: attributes may hold prompts."""

_NAMES: Final = {
    "key": ("leakline.key.hash",),
    "cost": ("leakline.cost.usd",),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "operation": ("gen_ai.operation.name",),
    "status": ("http.response.status_code", "http.status_code"),
    "error": ("error.type",),
    "first_chunk": ("gen_ai.response.time_to_first_chunk",),
    "stream": ("gen_ai.request.stream",),
    "address": ("client.address",),
    "user_agent": ("user_agent.original",),
    "end_user": ("enduser.id", "user.id"),
    "environment": ("deployment.environment.name", "deployment.environment"),
    "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached": ("gen_ai.usage.cache_read.input_tokens",),
    "cache_write": ("gen_ai.usage.cache_creation.input_tokens",),
    "reasoning": ("gen_ai.usage.reasoning.output_tokens",),
}
"""The attributes that are read, those of today before those of earlier conventions."""
_READ: Final = frozenset(chain.from_iterable(_NAMES.values()))
"""No others are kept: a resource has its own once, and its spans would each have a copy."""
_MARKS: Final = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.system",
    "gen_ai.request.model",  # all that OpenRouter sends of these
)
_AROUND: Final = frozenset(
    {
        "create_agent",
        "execute_tool",
        "invoke_workflow",
        "plan",
        "retrieval",
        *(f"{verb}_memory" for verb in ("create", "delete", "search", "update", "upsert")),
        *(f"{verb}_memory_store" for verb in ("create", "delete")),
    }
)
"""Operations of frameworks. What calls models in them has spans of its own; names that the
conventions do not have may be calls."""
_AGENT: Final = "invoke_agent"
_CLIENT: Final = (3, "3", "SPAN_KIND_CLIENT")
_ERRORS: Final = (2, "2", "STATUS_CODE_ERROR")

_REQUEST: Final = msgspec.json.Decoder(dict[str, object])

Attributes = Mapping[str, object]


def parse(body: bytes, arrived: float = inf) -> Batch:
    """The events in an export request; an empty one tests the connection."""
    batch = Batch()
    if not body.strip():
        return batch
    try:
        calls = _calls(body)
    except Refused as refused:
        return Batch(rejected=[Rejected(0, body, refused)])
    for index, (span, attributes) in enumerate(calls):
        try:
            batch.events.append(timely(_event(span, attributes), arrived))
        except Refused as refused:
            batch.rejected.append(Rejected(index, msgspec.json.encode(span), refused))
    return batch


def _calls(body: bytes) -> list[tuple[Mapping[str, object], Attributes]]:
    request = decoded(body, _REQUEST)
    calls = list(_spans(request))
    if len(calls) > ITEMS_MAX:
        raise Refused("too_large", f"{len(calls)} spans; at most {ITEMS_MAX} are taken at once")
    return calls


def _spans(request: Mapping[str, object]) -> Iterator[tuple[Mapping[str, object], Attributes]]:
    """(span, attributes of it and its resource) of each call of a model."""
    for group in _tables(request.get("resourceSpans")):
        shared = _attributes(table(group.get("resource")).get("attributes"))
        for scope in _tables(group.get("scopeSpans")):
            for span in _tables(scope.get("spans")):
                attributes = {**shared, **_attributes(span.get("attributes"))}
                if _is_call(span, attributes):
                    yield span, attributes


def _is_call(span: Mapping[str, object], attributes: Attributes) -> bool:
    """Whether nothing else tells of what a span used.

    An agent in the same process repeats the sum of the calls that it makes. One that a remote
    service runs is called by a client, and its span is all that is known of it.
    """
    operation = text(*map(attributes.get, _NAMES["operation"]))
    if operation == _AGENT:
        return span.get("kind") in _CLIENT
    return operation not in _AROUND and any(mark in attributes for mark in _MARKS)


def _tables(value: object) -> Iterator[Mapping[str, object]]:
    return (table(item) for item in value) if isinstance(value, list) else iter(())


def _attributes(value: object) -> dict[str, object]:
    """Attributes that are read, by name; of a value only the scalar kinds are looked at."""
    found: dict[str, object] = {}
    for item in _tables(value):
        name = item.get("key")
        if not isinstance(name, str) or name not in _READ:
            continue
        held = table(item.get("value"))
        for kind in ("stringValue", "intValue", "doubleValue", "boolValue"):
            if kind in held:
                found[name] = held[kind]
                break
    return found


def _event(span: Mapping[str, object], attributes: Attributes) -> UsageEvent:
    given = partial(map, attributes.get)
    name = whole(*given(_NAMES["key"]))
    if name is None:
        raise Refused("missing_field", f"{_NAMES['key'][0]} is missing")
    key_id = identifier(name)
    started, ended = _seconds(span.get("startTimeUnixNano")), _seconds(span.get("endTimeUnixNano"))
    if started is None:
        raise Refused("bad_time", "startTimeUnixNano is missing or no number")
    status, error_type = _outcome(span, attributes)
    event = UsageEvent(
        event_id=_event_id(span, key_id),
        occurred_at=started,
        key_id=key_id,
        source="otel",
        provider=text(*given(_NAMES["provider"])),
        model=text(*given(_NAMES["model"])),
        operation=text(*given(_NAMES["operation"])),
        status=status,
        error_type=error_type,
        input_tokens=count(*given(_NAMES["input"])),
        output_tokens=count(*given(_NAMES["output"])),
        cached_input_tokens=count(*given(_NAMES["cached"])),
        cache_write_tokens=count(*given(_NAMES["cache_write"])),
        reasoning_tokens=count(*given(_NAMES["reasoning"])),
        cost_usd=dollars(*given(_NAMES["cost"])),
        latency_ms=elapsed_ms(started, ended),
        time_to_first_token_ms=elapsed_ms(0.0, number_of(*given(_NAMES["first_chunk"]))),
        stream=flag(*given(_NAMES["stream"])),
        client_ip=right(*given(_NAMES["address"])),
        user_agent=text(*given(_NAMES["user_agent"])),
        end_user=text(*given(_NAMES["end_user"])),
        environment=text(*given(_NAMES["environment"])),
    )
    return redacted(event)


def _event_id(span: Mapping[str, object], key_id: str) -> str:
    trace, own = whole(span.get("traceId")), whole(span.get("spanId"))
    if trace is None or own is None:
        raise Refused("missing_field", "traceId or spanId is missing")
    return hashlib.sha256(msgspec.json.encode((trace, own, key_id))).hexdigest()


def _outcome(span: Mapping[str, object], attributes: Attributes) -> tuple[int, str | None]:
    """HTTP status and error type. What has an error's name failed, also behind a 200."""
    given = partial(map, attributes.get)
    code, name = count(*given(_NAMES["status"])), text(*given(_NAMES["error"]))
    said = count(*given(_NAMES["error"]))  # of HTTP often the status, as a text
    failed = next((each for each in (code, said) if 400 <= each <= 599), None)
    known = None if name is None else known_failure(name)
    if failed is not None:
        return failed, known[1] if known else kind_of(failed)
    if name is not None:
        return known or FAILED
    if 100 <= code <= 599:
        return code, None
    return FAILED if table(span.get("status")).get("code") in _ERRORS else (200, None)


def _seconds(nanos: object) -> float | None:
    number = number_of(nanos)
    return None if number is None else number / 1e9
