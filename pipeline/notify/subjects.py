"""What a signal is about, as its detector declares: a new one needs no entry in a list."""

from detectors.discovery import detector_named
from schemas.incident import Cause, Signal


def is_about_place(signal: Signal) -> bool:
    """Whether it says where requests come from."""
    detector = detector_named(signal.detector)
    return detector is not None and detector.about_place


def speaks_for(signal: Signal, cause: Cause) -> bool:
    """Whether its detector looks for a cause."""
    detector = detector_named(signal.detector)
    return detector is not None and cause in detector.causes
