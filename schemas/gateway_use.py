"""What gateway keys used in a window, as far as the gateway saw it: asked of detection, and told.

A bill for a provider's key with several gateway keys behind it can only be compared with all of
them together, and they lie in several partitions. Reconcile puts a question into each of these
partitions (a control record); detection answers it from there (topic `gateway-use`).
"""

from msgspec import Struct

from schemas.fields import Identifier, Time, utc


class GatewayUse(Struct, omit_defaults=True):
    """Sums over gateway keys."""

    requests: int = 0
    tokens: int = 0
    """Input and output."""
    nanos: int = 0
    """Nano-dollars."""
    first_seen: float = 0.0
    """Unix seconds of the first use of any of them; 0 when there was none."""
    complete: bool = True
    """Whether the records still reach back to the beginning of the window."""
    unpriced: int = 0
    """Requests that no price is known for …"""
    unpriced_tokens: int = 0
    """… and their tokens."""

    def add(self, other: "GatewayUse") -> None:
        """Add what other keys used."""
        self.requests += other.requests
        self.tokens += other.tokens
        self.nanos += other.nanos
        self.unpriced += other.unpriced
        self.unpriced_tokens += other.unpriced_tokens
        seen = [at for at in (self.first_seen, other.first_seen) if at]
        self.first_seen = min(seen, default=0.0)
        self.complete = self.complete and other.complete


class UseQuestion(Struct, omit_defaults=True, kw_only=True):
    """What did these keys, all of one partition, use in a window?"""

    question_id: str
    part: int
    """Which of the questions with this id it is, from 0."""
    key_ids: list[Identifier]
    window_start: Time
    window_end: Time
    provider: str | None = None
    """Only what went through this one, where a key's gateway names it so."""

    def __post_init__(self) -> None:
        self.window_start = utc(self.window_start)
        self.window_end = utc(self.window_end)


class UseAnswer(Struct, kw_only=True):
    """What they used, at the question's place in the log."""

    question_id: str
    part: int
    use: GatewayUse
