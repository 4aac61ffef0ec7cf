"""What the fold of every key shares: how events are accepted, and how keys are judged."""

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.calibration import SHIPPED
from detectors.contract import Detector
from detectors.discovery import all_detectors
from pipeline.accept import Acceptor
from pipeline.config import Config
from pipeline.engine.states import IN_USE_MAX
from pipeline.engine.witness import Witness
from pipeline.enrich.kinds import Kinds
from pipeline.enrich.pricing import Pricer
from pipeline.enrich.sources import Locator
from schemas.calibration import Calibration


@dataclass(frozen=True)
class Rules:
    """Immutable, but for the caches inside."""

    acceptor: Acceptor
    kinds: Kinds
    detectors: Sequence[Detector]
    calibration: Calibration = SHIPPED
    lateness_seconds: float = 300.0
    in_use_max: int = IN_USE_MAX
    """States of a partition that are kept ready; the others are kept as bytes."""
    witness: Witness | None = None
    """Overhears what the detectors say, and changes nothing: a calibration counts it, an
    explanation retells it."""


def default_rules(config: Config) -> Rules:
    """The rules of a configuration, with every detector that there is.

    Raises:
        ConfigError: a geography file cannot be read.
    """
    sources = config.sources
    kinds = Kinds(Locator(sources.proxies, sources.country_mmdb, sources.asn_mmdb))
    detection = config.detection
    return Rules(
        acceptor=Acceptor(Pricer(), kinds, future_seconds=detection.future_seconds),
        kinds=kinds,
        detectors=all_detectors(),
        lateness_seconds=detection.lateness_seconds,
    )
