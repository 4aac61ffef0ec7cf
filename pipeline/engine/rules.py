"""What the fold of every key shares: how events are accepted, and how keys are judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from detectors.calibration import SHIPPED
from detectors.contract import Detector
from pipeline.accept import Acceptor
from pipeline.engine.states import IN_USE_MAX
from pipeline.engine.witness import Witness
from pipeline.enrich.kinds import Kinds
from schemas.calibration import Calibration


@dataclass(frozen=True)
class Rules:
    """Immutable, but for the caches inside."""

    acceptor: Acceptor
    kinds: Kinds
    detectors: Sequence[Detector]
    """Those of `detectors.discovery`, or any others with names of their own."""
    calibration: Calibration = SHIPPED
    lateness_seconds: float = 300.0
    in_use_max: int = IN_USE_MAX
    """States of a partition that are kept ready; the others are kept as bytes."""
    witness: Witness | None = None
    """Overhears what the detectors say, and changes nothing: a calibration counts it, an
    explanation retells it."""

    @cached_property
    def by_name(self) -> Mapping[str, Detector]:
        """The detectors by the names under which states remember what they said."""
        return {each.name: each for each in self.detectors}
