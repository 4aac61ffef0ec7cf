"""From history to a calibration: the evidence of honest keys, and what a page may ask for."""

from pipeline.calibrate.fit import NotEnoughHistoryError
from pipeline.calibrate.run import Calibrated, calibrate

__all__ = ["Calibrated", "NotEnoughHistoryError", "calibrate"]
