"""One request through a gateway (topic `usage-events`)."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import REQUEST_DOLLARS_MAX, REQUEST_TOKENS_MAX, Identifier, Time

Milliseconds = Annotated[float, Meta(ge=0)]
Tokens = Annotated[int, Meta(ge=0, le=REQUEST_TOKENS_MAX)]
Cost = Annotated[float, Meta(ge=0, le=REQUEST_DOLLARS_MAX)]
HttpStatus = Annotated[int, Meta(ge=0, le=999)]
KeyText = Annotated[str, Meta(min_length=1, max_length=1024)]
"""An identifier, or a raw secret (which may be longer) that is about to be replaced."""


class UsageEvent(Struct, omit_defaults=True, kw_only=True, gc=False):
    """A request, as its gateway saw it. Prompts and completions have no field here."""

    event_id: Identifier
    """Unique per request; the same id of the same key seen twice is one event."""
    occurred_at: Time
    """When the request started."""
    key_id: KeyText
    """A stable id of the key that is no secret; a raw secret is replaced by its hash."""
    source: str | None = None
    """The emitter: `litellm`, `otel`, `bedrock`, …"""
    provider: str | None = None
    model: str | None = None
    operation: str | None = None
    """An OpenTelemetry `gen_ai.operation.name`, or `models.list`, `images`, `audio`, `batch`; or any
    other name, as the gateway calls it."""
    status: HttpStatus = 200
    error_type: str | None = None
    input_tokens: Tokens = 0
    """Cached tokens included."""
    output_tokens: Tokens = 0
    cached_input_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0
    reasoning_tokens: Tokens = 0
    cost_usd: Cost | None = None
    """None: priced from the catalogue."""
    latency_ms: Milliseconds | None = None
    time_to_first_token_ms: Milliseconds | None = None
    stream: bool | None = None
    client_ip: str | None = None
    """IPv4, IPv6 or a forwarded list (`a, b, c`)."""
    user_agent: str | None = None
    origin: str | None = None
    """The HTTP Origin or Referer."""
    end_user: str | None = None
    team: str | None = None
    environment: str | None = None
    tags: list[str] | None = None
