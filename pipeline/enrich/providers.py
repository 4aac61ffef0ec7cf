"""One name for each provider, whoever names it: gateways, OpenTelemetry and bills differ."""

from functools import lru_cache
from typing import Final

from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

ALIASES: Final = {
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure_ai": "azure",
    "fireworks_ai": "fireworks",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
}
"""Names that gateways and OpenTelemetry use and the catalogue does not know."""
_NAME_LENGTH_MAX: Final = 64


@lru_cache(maxsize=4096)
def provider_name(name: str | None) -> str:
    """The catalogue's name of a provider, or the name itself; empty when there is none."""
    if not name:
        return ""
    known = name[:_NAME_LENGTH_MAX].strip().lower()
    known = ALIASES.get(known, known)
    if "azure" in known or known.startswith("az."):  # for the catalogue, OpenAI is in the name
        return "azure"
    found = find_provider_by_id(get_snapshot().providers, known)
    return known if found is None else found.id
