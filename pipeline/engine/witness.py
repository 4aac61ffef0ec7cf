"""What is told to those who overhear the detectors: it changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from detectors.fusion import Conclusion, Evidence
from pipeline.engine.stored import Calm


@dataclass(frozen=True, slots=True)
class Look:
    """What the detectors said of a key at one time, and what a page took."""

    key_id: str
    at: float
    """Unix seconds."""
    evidence: Sequence[Evidence]
    conclusion: Conclusion
    """What follows from the evidence, and from what had been heard before."""
    page_takes: float
    """Nats of a page, with the money at stake, whatever ended before …"""
    page_usually_takes: float
    """… nats of a page of such keys with no money at stake …"""
    lively: float
    """… and nats more, since the key paged in vain lately."""
    forgiven_by: Calm | None
    """What ended before, if it forgave the evidence."""
    told: bool
    """An incident that paged was open."""

    @property
    def kept_quiet(self) -> bool:
        """Whether it would have paged, but for what ended before."""
        nats, forgiven = self.conclusion.nats, self.forgiven_by is not None
        short = forgiven or nats < self.page_takes + self.lively
        return not self.told and nats >= self.page_takes and short


Witness = Callable[[Look], None]
"""Told whenever evidence was weighed."""
