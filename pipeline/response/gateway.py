"""What leakline needs of a gateway, whichever it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Protocol

from pipeline.config import Gateway, Network
from pipeline.outgoing.http import Answer, ForbiddenAddressError, UnreachableError
from pipeline.outgoing.http_outcomes import Delivery, http_outcome
from schemas.action import Action


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one attempt."""

    outcome: Delivery
    detail: str
    http_status: int | None = None
    retry_after_seconds: float | None = None


class Adapter(Protocol):
    """Speaks to one gateway. Every call may be repeated with the same action."""

    name: str
    attempts_max: int
    """Attempts until an action has failed."""
    has_probe: bool
    """Whether `works` can ever tell."""

    def objection(self, action: Action) -> str | None:
        """Why this gateway can never do the action, or None."""

    async def act(self, action: Action, now: float) -> Sent:
        """Ask for the action once."""

    async def works(self, action: Action, now: float) -> bool | None:
        """Whether the key still works; None when that could not be told now."""


def networks(gateway: Gateway) -> Sequence[Network]:
    """The private networks that a gateway may be in."""
    return tuple(ip_network(text) for text in gateway.allowed_networks)


def as_sent(answer: Answer | UnreachableError | ForbiddenAddressError) -> Sent:
    """An attempt's outcome by the table of HTTP codes."""
    match answer:
        case ForbiddenAddressError():
            return Sent("refused", f"the gateway's address is refused: {answer}")
        case UnreachableError():
            return Sent("retry", f"the gateway cannot be reached: {answer}")
        case Answer():
            return Sent(
                http_outcome(answer.status),
                f"the gateway answered {answer.status}",
                answer.status,
                answer.retry_after_seconds,
            )
