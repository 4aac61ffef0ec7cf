"""Registry entries, bills and honest traffic of keys that share a provider's key."""

from schemas.key_record import KeyRecord
from schemas.provider_usage import ProviderUsage
from schemas.usage_event import UsageEvent
from tests.support.events import HOUR, START, event, in_time

PROVIDER_KEY = "provider-1"
WINDOW = (START + 48 * HOUR, START + 49 * HOUR)
"""The hour that is billed, in Unix seconds."""
OBSERVED = WINDOW[1] + 2 * HOUR
DOLLARS_AN_HOUR = 3.0
"""What each key spends."""


def entry(key_id: str, provider_key_id: str | None = PROVIDER_KEY) -> KeyRecord:
    """A registry entry."""
    return KeyRecord(key_id=key_id, provider="openai", provider_key_id=provider_key_id)


def bill(dollars: float, model: str = "gpt-4o-mini", **changes: object) -> ProviderUsage:
    """A bill for the window."""
    fields: dict[str, object] = {
        "provider": "openai",
        "provider_key_id": PROVIDER_KEY,
        "model": model,
        "window_start": WINDOW[0],
        "window_end": WINDOW[1],
        "requests": 60,
        "cost_usd": dollars,
        "observed_at": OBSERVED,
    }
    return ProviderUsage(**fields | changes)  # type: ignore[arg-type]  # as a test wants it


def use(key_id: str, hours: int = 50, per_hour: int = 6) -> list[UsageEvent]:
    """So many hours of steady use."""
    return [
        event(START + hour * HOUR + n * HOUR / per_hour, key_id=key_id, cost_usd=0.5)
        for hour in range(hours)
        for n in range(per_hour)
    ]


def traffic(*key_ids: str) -> list[UsageEvent]:
    """The use of keys, in time."""
    return in_time(*(use(key_id) for key_id in key_ids))
