"""River's GaussianScorer, one for each key, as its documentation has it.

What was flagged is not learnt, as its `ThresholdFilter` would have it. The value is the spend
of ten minutes. A key that always spends the same has no variance, and then the scorer's answer
is 1.0 whatever comes: that is how it is.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from river import anomaly

from pipeline.evaluate.comparators.contract import Seen
from pipeline.evaluate.comparators.windows import Windows
from pipeline.evaluate.pages import Page

QUANTILE = 0.999
GRACE_WINDOWS = 100


class RiverGaussian:
    """A Gaussian per key over the spend of ten minutes."""

    name = "River GaussianScorer"

    def __init__(self) -> None:
        self._windows = Windows()
        # River has no types here.
        self._fresh: Any = partial(anomaly.GaussianScorer, None, GRACE_WINDOWS)
        self._models: dict[str, Any] = {}

    def see(self, seen: Seen) -> Iterator[Page]:
        """A page comes at the end of the window."""
        window = self._windows.see(seen)
        if window is None:
            return
        model = self._models.get(seen.event.key_id)
        if model is None:
            model = self._models[seen.event.key_id] = self._fresh()
        score = model.score_one(None, window.usd)
        if score >= QUANTILE:
            yield Page(seen.event.key_id, window.end)
        else:
            model.learn_one(None, window.usd)
