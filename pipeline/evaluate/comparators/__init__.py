"""Other ways to page, judged by the same rules: what detection has to beat.

Each comparator sees the events in order, one at a time, and says when it would page. None of them
knows anything of leakline's own detectors.
"""

from pipeline.evaluate.comparators.contract import Comparator, Seen, run
from pipeline.evaluate.comparators.hour_of_week import HourOfWeek
from pipeline.evaluate.comparators.litellm_rule import LitellmRule
from pipeline.evaluate.comparators.river_gaussian import RiverGaussian
from pipeline.evaluate.comparators.river_trees import RiverTrees
from pipeline.evaluate.comparators.static_thresholds import StaticThresholds

__all__ = [
    "Comparator",
    "HourOfWeek",
    "LitellmRule",
    "RiverGaussian",
    "RiverTrees",
    "Seen",
    "StaticThresholds",
    "all_comparators",
    "run",
]


def all_comparators() -> tuple[Comparator, ...]:
    """One of each, fresh."""
    return LitellmRule(), StaticThresholds(), HourOfWeek(), RiverGaussian(), RiverTrees()
