"""LiteLLM's StandardLoggingPayload, as its callbacks send it.

Only `id`, `startTime` and `status` are needed; everything else may be missing or of another type,
as versions differ. Prompts, answers and error texts are never decoded into anything that is kept.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from pipeline.enrich.pricing import is_self_hosted
from pipeline.intake.lenient import (
    count,
    decoded,
    dollars,
    elapsed_ms,
    flag,
    identifier,
    origin,
    right,
    seconds,
    table,
    text,
    texts,
    whole,
)
from pipeline.intake.litellm_failures import failure
from schemas.codec import Refused, redacted
from schemas.usage_event import UsageEvent

NO_KEY: Final = "litellm:no-key"
"""Key id of requests that LiteLLM logged without any key."""
_PUBLIC_KEY: Final = re.compile(r"(hashed-jwt-)?[0-9a-f]{64}|litellm[a-z_-]{1,60}")
"""What is no secret in place of a key: a hash, or one of LiteLLM's own names."""
FIELDS: Final = frozenset(
    {"id", "litellm_call_id", "startTime", "endTime", "status", "call_type", "model"}
)
"""What is kept of a refused item: nothing that a client wrote freely."""

_OPERATIONS: Final = {
    "completion": "chat",
    "anthropic_messages": "chat",
    "responses": "chat",
    "generate_content": "generate_content",
    "generate_content_stream": "generate_content",
    "text_completion": "text_completion",
    "embedding": "embeddings",
    "image_generation": "images",
    "image_edit": "images",
    "image_variation": "images",
    "transcription": "audio",
    "speech": "audio",
    "create_batch": "batch",
    "retrieve_batch": "batch",
    "list_batches": "batch",
}
_ASYNC: Final = re.compile(
    r"_?a_?((?:add|anthropic|cancel|code|completion|create|decisions|delete|embedding|file|generate"
    r"|get|image|ingest|list|llm|moderation|ocr|query|realtime|rerank|responses|retrieve|run|search"
    r"|send|speech|systemone|text|transcription|upload|vector|video)(?:_.*)?)"
)
"""How LiteLLM names the asynchronous form of a call: the words that its other names begin with, and
an `a` before them. Which form a client's request took inside LiteLLM is no matter."""
_RENAMED: Final = {
    "started": "startTime",
    "ended": "endTime",
    "first_token": "completionStartTime",
    "unpriced": "response_cost_failure_debug_info",
}


class _Payload(msgspec.Struct, gc=False, rename=_RENAMED):
    """The fields that are looked at; the others are skipped while decoding."""

    id: object = None
    started: object = None
    status: object = None
    litellm_call_id: object = None
    ended: object = None
    first_token: object = None
    call_type: object = None
    stream: object = None
    response_cost: object = None
    unpriced: object = None
    custom_llm_provider: object = None
    model: object = None
    prompt_tokens: object = None
    completion_tokens: object = None
    cache_hit: object = None
    request_tags: object = None
    end_user: object = None
    requester_ip_address: object = None
    user_agent: object = None
    metadata: object = None
    hidden_params: object = None
    error_information: object = None


_PAYLOAD: Final = msgspec.json.Decoder(_Payload)


def convert(raw: bytes) -> UsageEvent:
    """The event in a payload.

    Raises:
        Refused: it is no payload, or one of the three required fields is missing.
    """
    payload = decoded(raw, _PAYLOAD)
    started = _required(payload)
    metadata = table(payload.metadata)
    provider, model = _model(payload)
    key_id = _key_id(metadata)
    failed = payload.status == "failure"
    status, error_type = failure(table(payload.error_information)) if failed else (200, None)
    event = UsageEvent(
        event_id=_event_id(payload, key_id, billed=_bills_a_batch(payload)),
        occurred_at=started,
        key_id=key_id,
        source="litellm",
        provider=provider,
        model=model,
        operation=_operation(payload, metadata),
        status=status,
        error_type=error_type,
        latency_ms=elapsed_ms(started, seconds(payload.ended)),
        stream=flag(payload.stream),
    )
    if event.stream:
        event.time_to_first_token_ms = elapsed_ms(started, seconds(payload.first_token))
    _add_usage(event, payload, metadata)
    _add_client(event, payload, metadata)
    return redacted(event)


def _required(payload: _Payload) -> float:
    """When the request started, once everything that is required is there."""
    for name in ("id", "started", "status"):
        if getattr(payload, name) in (None, ""):
            raise Refused("missing_field", f"{_RENAMED.get(name, name)} is missing")
    if not isinstance(payload.id, str):
        raise Refused("wrong_type", "id is no text")
    if payload.status not in ("success", "failure"):
        raise Refused("out_of_range", "status is neither success nor failure")
    started = seconds(payload.started)
    if started is None:
        raise Refused("bad_time", "startTime is neither Unix seconds nor ISO 8601")
    return started


def _key_id(metadata: Mapping[str, object]) -> str:
    """The SHA-256 by which LiteLLM knows a key, also one that it refused; else its alias.

    LiteLLM hashes keys that begin with `sk-` and leaves others raw, so that anything else here
    is taken for a raw key and hashed in the same way.
    """
    key = whole(metadata.get("user_api_key_hash"))
    if key is None:
        return identifier(whole(metadata.get("user_api_key_alias")) or NO_KEY)
    return key if _PUBLIC_KEY.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


def _event_id(payload: _Payload, key_id: str, *, billed: bool) -> str:
    """A hash of everything that tells requests apart, since clients may choose some of it.

    A batch's bill is one event, however often its key asks for it.
    """
    parts: tuple[object, ...] = (payload.id, payload.litellm_call_id, payload.started, key_id)
    if billed:
        parts = ("batch", payload.id, key_id)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _bills_a_batch(payload: _Payload) -> bool:
    """Whether it tells what a whole batch used, as LiteLLM does at each look at a finished one."""
    used = count(payload.prompt_tokens, payload.completion_tokens) or dollars(payload.response_cost)
    return _call_type(payload) == "retrieve_batch" and bool(used)


def _model(payload: _Payload) -> tuple[str | None, str | None]:
    """(provider, model) without the provider's prefix in the model's name."""
    provider, model = text(payload.custom_llm_provider), text(payload.model)
    prefix, slash, rest = (model or "").partition("/")
    if slash and rest and provider in (None, prefix):
        return prefix, rest
    return provider, model


def _operation(payload: _Payload, metadata: Mapping[str, object]) -> str | None:
    route = text(metadata.get("user_api_key_request_route")) or ""
    if route.rstrip("/").endswith("/models"):
        return "models.list"
    name = _call_type(payload)
    return None if name is None else _OPERATIONS.get(name, name)


def _call_type(payload: _Payload) -> str | None:
    name = text(payload.call_type)
    form = _ASYNC.fullmatch(name) if name else None
    return form[1] if form else name


def _add_usage(event: UsageEvent, payload: _Payload, metadata: Mapping[str, object]) -> None:
    cost = dollars(payload.response_cost)
    if payload.cache_hit is True:
        # LiteLLM repeats the tokens of the answer that it kept; no provider counts or bills them.
        event.cost_usd = cost or 0.0
        return
    event.input_tokens = count(payload.prompt_tokens)
    event.output_tokens = count(payload.completion_tokens)
    usage = table(metadata.get("usage_object")) or table(
        table(payload.hidden_params).get("usage_object")
    )
    prompt = table(usage.get("prompt_tokens_details"))
    completion = table(usage.get("completion_tokens_details"))
    event.cached_input_tokens = count(
        usage.get("cache_read_input_tokens"), prompt.get("cached_tokens")
    )
    event.cache_write_tokens = count(
        usage.get("cache_creation_input_tokens"),
        prompt.get("cache_creation_tokens"),
        prompt.get("cache_write_tokens"),
    )
    event.reasoning_tokens = count(completion.get("reasoning_tokens"))
    event.cost_usd = None if cost == 0 and _may_have_cost(event, payload) else cost


def _may_have_cost(event: UsageEvent, payload: _Payload) -> bool:
    """Whether a cost of 0 may be that of a model whose price LiteLLM does not know.

    It says why there is no price: our own logger, whether it said so. It has reasons, too, where
    there is no model, as for a look at a batch; that is free. Without a reason, tokens are free on
    one's own machines alone: LiteLLM knows models of others without their prices.
    """
    said = payload.unpriced is True or bool(table(payload.unpriced))
    if said and event.model:
        return True
    counted = event.input_tokens or event.output_tokens
    return bool(counted) and not is_self_hosted(event.provider)


def _add_client(event: UsageEvent, payload: _Payload, metadata: Mapping[str, object]) -> None:
    headers = table(table(metadata.get("requester_metadata")).get("headers"))
    event.client_ip = right(payload.requester_ip_address, metadata.get("requester_ip_address"))
    event.user_agent = text(
        payload.user_agent, metadata.get("user_agent"), headers.get("user-agent")
    )
    event.origin = origin(text(headers.get("origin"), headers.get("referer")))
    event.end_user = text(payload.end_user, metadata.get("user_api_key_end_user_id"))
    event.team = text(
        metadata.get("user_api_key_team_alias"),
        metadata.get("team_alias"),
        metadata.get("user_api_key_team_id"),
        metadata.get("team_id"),
    )
    event.environment = text(table(metadata.get("user_api_key_auth_metadata")).get("environment"))
    event.tags = _tags(payload.request_tags)


def _tags(value: object) -> list[str] | None:
    """The request's tags, without those that LiteLLM derives from the user agent."""
    tags = value if isinstance(value, list) else []
    return texts([tag for tag in tags if not str(tag).startswith("User-Agent:")])
