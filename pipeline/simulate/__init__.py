"""A labelled fleet to tune and to judge on: honest keys, benign changes, attacks.

Nothing here knows how detection works, and nothing of detection is used here.
"""

from pipeline.simulate.files import simulate_to_files
from pipeline.simulate.fleet import PRESETS, Fleet, FleetSettings, simulate
from pipeline.simulate.schedule import KINDS

__all__ = [
    "KINDS",
    "PRESETS",
    "Fleet",
    "FleetSettings",
    "simulate",
    "simulate_to_files",
]
