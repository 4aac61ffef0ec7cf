"""What is kept of an event until its key's run is folded.

Ten thousand events wait in a group. Whole they would not fit into the processor's caches, and to
make and free them there would cost as much as to fold them.
"""

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from pipeline.accept import Accepted
from pipeline.enrich.sources import Source
from pipeline.message import Message


class Use(Struct, gc=False):
    """One request, as far as it counts."""

    at: float
    """Unix seconds."""
    digest: int
    """Hash of the event id."""
    token: str
    """Names the slice of its kind of request."""
    source: Source | None
    nanos: int
    """Nano-dollars; 0 when no price is known."""
    priced: bool
    failed: bool
    lost: bool
    """It had an address that says nothing."""
    input_tokens: int
    output_tokens: int
    user: str | None
    message: Message
    """What brought it …"""
    index: int
    """… in which line."""

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in the log."""
        return self.message.offset, self.index


def use_of(accepted: Accepted, message: Message) -> Use:
    """What counts of an event."""
    event, source = accepted.event, accepted.source
    return Use(
        accepted.at,
        xxh3_64_intdigest(event.event_id.encode()),
        accepted.token,
        source,
        accepted.nanos,
        accepted.priced,
        event.status >= 400,
        source is None and event.client_ip is not None,
        event.input_tokens,
        event.output_tokens,
        event.end_user,
        message,
        accepted.index,
    )
