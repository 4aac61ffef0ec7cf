"""What a key was used for in truth (the labels of a simulated or an investigated fleet)."""

from typing import get_args

from msgspec import Struct

from schemas.fields import Identifier, Time, utc
from schemas.incident import Cause


class Label(Struct, omit_defaults=True, kw_only=True):
    """An attack (`malicious`), or a benign change that must not page."""

    label_id: Identifier
    key_id: Identifier
    kind: str
    malicious: bool
    started_at: Time
    """Of an attack: its first request."""
    ended_at: Time
    cause: str | None = None
    """The cause that an incident should name, in leakline's words; any other, or None: not judged,
    since labels of other tools have words of their own."""
    accepted_causes: list[str] | None = None
    """Other causes that say the same to the person who is paged."""
    strength: str | None = None
    """`strong` or `weak`."""
    archetype: str | None = None
    """What kind of honest use the key has."""
    visible_at: Time | None = None
    """The first record that shows it, when that comes later than the start (what the provider
    billed arrives after the fact); the time to detect counts from here."""
    malicious_spend: list[tuple[float, float]] | None = None
    """Seconds since the start, and the dollars that the attack had spent by then; ascending."""

    def __post_init__(self) -> None:
        self.started_at = utc(self.started_at)
        self.ended_at = utc(self.ended_at)
        if self.cause not in get_args(Cause):
            self.cause = None
        if self.visible_at is not None:
            self.visible_at = utc(self.visible_at)
