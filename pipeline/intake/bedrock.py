"""AWS Bedrock's model invocation logs, as records of S3 or CloudWatch.

The key is the role or user that called, without the session's name. The logs have no client
address: places and networks cannot be judged from them.
"""

from typing import Final

import msgspec

from pipeline.intake.failures import FAILED, known_failure
from pipeline.intake.lenient import (
    count,
    decoded,
    duration,
    identifier,
    seconds,
    table,
    text,
    whole,
)
from schemas.codec import Refused, redacted
from schemas.usage_event import UsageEvent

FIELDS: Final = frozenset({"schemaType", "schemaVersion", "timestamp", "requestId", "operation"})
"""What is kept of a refused record."""
_OPERATIONS: Final = {
    "Converse": "chat",
    "ConverseStream": "chat",
    "InvokeModelWithResponseStream": "chat",
}
_BY_MODEL: Final = {
    "embed": "embeddings",
    "titan-image": "images",
    "nova-canvas": "images",
    "stability.": "images",
}
"""What `InvokeModel` did, by a part of the model's name."""


class _Record(msgspec.Struct, gc=False, rename="camel"):
    timestamp: object = None
    identity: object = None
    region: object = None
    request_id: object = None
    operation: object = None
    model_id: object = None
    error_code: object = None
    input: object = None
    output: object = None


_RECORD: Final = msgspec.json.Decoder(_Record)


def convert(raw: bytes) -> UsageEvent:
    """The usage in a record.

    Raises:
        Refused: it is none, or has no request id, time or identity.
    """
    record = decoded(raw, _RECORD)
    request_id, arn = whole(record.request_id), whole(table(record.identity).get("arn"))
    if request_id is None or arn is None:
        raise Refused("missing_field", "requestId or identity.arn is missing")
    time = seconds(record.timestamp)
    if time is None:
        raise Refused("bad_time", "timestamp is neither RFC 3339 nor a number")
    code = text(record.error_code)
    status, error_type = (200, None) if code is None else known_failure(code) or FAILED
    operation = text(record.operation)
    model = (text(record.model_id) or "").rpartition("/")[2] or None
    event = UsageEvent(
        event_id=identifier(request_id),
        occurred_at=time,
        key_id=identifier(_caller(arn)),
        source="bedrock",
        provider="bedrock",
        model=model,
        operation=_operation(operation, model or ""),
        status=status,
        error_type=error_type,
        stream=None if operation is None else operation.endswith("Stream"),
        tags=[region] if (region := text(record.region)) else None,
    )
    _add_usage(event, record)
    return redacted(event)


def _operation(name: str | None, model: str) -> str | None:
    if name == "InvokeModel":
        return next((does for part, does in _BY_MODEL.items() if part in model), "chat")
    return _OPERATIONS.get(name or "", name)


def _caller(arn: str) -> str:
    """The role without its session, or the user."""
    return "/".join(arn.split("/")[:2]) if ":assumed-role/" in arn else arn


def _add_usage(event: UsageEvent, record: _Record) -> None:
    """Tokens and times. Bedrock counts cached tokens beside the others, not among them."""
    entered, answered = table(record.input), table(record.output)
    event.cached_input_tokens = count(entered.get("cacheReadInputTokenCount"))
    event.cache_write_tokens = count(entered.get("cacheWriteInputTokenCount"))
    event.input_tokens = (
        count(entered.get("inputTokenCount")) + event.cached_input_tokens + event.cache_write_tokens
    )
    event.output_tokens = count(answered.get("outputTokenCount"))
    metrics = table(table(answered.get("outputBodyJson")).get("metrics"))
    event.latency_ms = duration(metrics.get("latencyMs"))
