"""Why a request through LiteLLM failed.

An error's message is looked at and not kept: it may quote the prompt.
"""

from collections.abc import Mapping
from typing import Final

from pipeline.intake.failures import kind_of
from pipeline.intake.lenient import count, text

_REFUSALS: Final = (
    "key is blocked",
    "is blocked. update via",  # a team or project
    "deactivated via scim",
    "no api key passed in",
    "malformed api key passed in",
    "invalid proxy server token passed",
)
"""What LiteLLM says when it refuses a key with 401 and logs no code. Not everything without a code
is a refusal: it may have lost its database."""


def failure(error: Mapping[str, object]) -> tuple[int, str]:
    """(HTTP status, error type) of an `error_information`."""
    provider = text(error.get("llm_provider"))
    message = (text(error.get("error_message")) or "").lower()
    status = count(error.get("error_code"))
    if not 400 <= status <= 599:
        status = 401 if not provider and any(said in message for said in _REFUSALS) else 500
    limit = text(error.get("error_class"), error.get("error_rate_limit_type")) or ""
    if "budget" in limit.lower():
        return status, "budget_exceeded"
    if status == 401:
        return status, "provider_auth" if provider else _refusal(message)
    return status, kind_of(status)


def _refusal(message: str) -> str:
    """Why LiteLLM itself refused a key."""
    if any(word in message for word in ("revoked", "blocked", "deactivated")):
        return "revoked_key"
    return "expired_key" if "expired" in message else "invalid_api_key"
