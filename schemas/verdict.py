"""What a person or a policy says about an incident (topic `verdicts`)."""

from typing import Literal

from msgspec import Struct

from schemas.fields import Identifier, Time, utc

Judgement = Literal["leak", "benign", "expected", "acknowledge", "snooze"]


class Verdict(Struct, kw_only=True):
    """`benign` and `expected` teach the key's baseline; `snooze` only silences until `until`."""

    incident_id: Identifier
    key_id: Identifier
    verdict: Judgement
    until: Time | None = None
    """When a snooze ends."""
    by: str
    """`slack:<user>`, `console:<user>`, or the name of a tool."""
    at: Time
    """When it was said; of two about an incident the later one holds."""
    note: str | None = None
    """For people; never read by a rule."""

    def __post_init__(self) -> None:
        self.at = utc(self.at)
        if self.until is not None:
            self.until = utc(self.until)
