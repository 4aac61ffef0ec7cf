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
    """Whose model it is, such as `openai`: prices and bills are looked up by it."""
    model: str | None = None
    """As the provider calls it."""
    operation: str | None = None
    """An OpenTelemetry `gen_ai.operation.name`, or `models.list`, `images`, `audio`, `batch`; any
    other name stays as the gateway gives it."""
    status: HttpStatus = 200
    """HTTP status that the client got."""
    error_type: str | None = None
    """Such as `rate_limit`, `invalid_api_key`, `revoked_key` or `invalid_request`."""
    input_tokens: Tokens = 0
    """Cached tokens included, those read and those written."""
    output_tokens: Tokens = 0
    """Reasoning tokens included."""
    cached_input_tokens: Tokens = 0
    """Of the input, what was read from the provider's cache."""
    cache_write_tokens: Tokens = 0
    """Of the input, what was written to it."""
    reasoning_tokens: Tokens = 0
    """Of the output."""
    cost_usd: Cost | None = None
    """US dollars; absent or null: priced from the catalogue; 0: it was free."""
    latency_ms: Milliseconds | None = None
    time_to_first_token_ms: Milliseconds | None = None
    stream: bool | None = None
    """Whether the answer was streamed."""
    client_ip: str | None = None
    """IPv4, IPv6 or a forwarded list (`a, b, c`)."""
    user_agent: str | None = None
    origin: str | None = None
    """The HTTP Origin or Referer."""
    end_user: str | None = None
    """For whom the key's owner asked, as the request names them."""
    team: str | None = None
    """Kept in the store; detection goes by the registry's."""
    environment: str | None = None
    """Likewise: `prod`, `staging`, `dev` or `demo`."""
    tags: list[str] | None = None
    """Kept in the store."""
