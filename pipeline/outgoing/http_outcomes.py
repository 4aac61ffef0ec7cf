"""What an HTTP status means to a sender: one table for everything that leakline sends."""

from typing import Literal

Delivery = Literal["delivered", "retry", "refused"]

RETRIED = frozenset({408, 425, 429, *range(500, 600)} - {501, 505})
"""The same request may succeed later. 501 and 505 will not change by waiting."""


def http_outcome(status: int) -> Delivery:
    """Whether a request was taken, is worth repeating, or never will be taken.

    A redirect is a refusal: it would lead to an address that nobody checked.
    """
    if 200 <= status < 300:
        return "delivered"
    return "retry" if status in RETRIED else "refused"
