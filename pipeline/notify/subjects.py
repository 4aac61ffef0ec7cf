"""What a signal is about, as its detector declares: a new one needs no entry in a list."""

from detectors.discovery import detector_named
from schemas.incident import Signal


def is_about_place(signal: Signal) -> bool:
    """Whether it says where requests come from."""
    detector = detector_named(signal.detector)
    return detector is not None and detector.about_place


def is_about_dead_key(signal: Signal) -> bool:
    """Whether it says that a key is used which should no longer work."""
    detector = detector_named(signal.detector)
    return detector is not None and detector.about_dead_keys
