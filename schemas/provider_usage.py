"""What a provider billed for a key in a window (topic `provider-usage`)."""

from msgspec import Struct

from schemas.fields import Count, Dollars, Identifier, Time, utc
from schemas.gateway_use import GatewayUse


class ProviderUsage(Struct, omit_defaults=True, kw_only=True):
    """A later record for the same provider, key, model and window replaces the earlier one.

    It has to name the key by the same ids: to the store, one that adds or drops `provider_key_id`
    is another bill.
    """

    provider: Identifier
    key_id: Identifier | None = None
    """The gateway's id of the key; one of the two ids is needed."""
    provider_key_id: Identifier | None = None
    """The provider's own id of the key; joined to `key_id` through the registry."""
    model: str | None = None
    window_start: Time
    window_end: Time
    """The first moment that is no longer in it."""
    requests: Count | None = None
    """Absent or null: the provider does not count them."""
    input_tokens: Count = 0
    """Cached tokens included, those read and those written."""
    cached_input_tokens: Count = 0
    """Of the input, what was read from the provider's cache."""
    output_tokens: Count = 0
    cost_usd: Dollars | None = None
    """US dollars; absent or null: not known; 0: it was free."""
    observed_at: Time
    """When the provider told of it."""

    def __post_init__(self) -> None:
        self.window_start = utc(self.window_start)
        self.window_end = utc(self.window_end)
        self.observed_at = utc(self.observed_at)
        if self.key_id is None and self.provider_key_id is None:
            raise ValueError("one of key_id and provider_key_id is missing")


class JoinedUsage(ProviderUsage, kw_only=True):
    """A bill on the log, joined to its key."""

    gateway: GatewayUse | None = None
    """What all gateway keys behind the provider's used together; set by reconcile when there are
    several. Without it a bill is compared with the use of `key_id` alone."""
