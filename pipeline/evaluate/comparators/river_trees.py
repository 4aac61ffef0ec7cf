"""River's HalfSpaceTrees behind a MinMaxScaler, as its documentation has it, one for the fleet."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from river import anomaly, compose, preprocessing

from pipeline.evaluate.comparators.contract import Seen
from pipeline.evaluate.comparators.windows import Windows
from pipeline.evaluate.pages import Page

QUANTILE = 0.999


class RiverTrees:
    """Half-space trees over the features of ten minutes of any key."""

    name = "River HalfSpaceTrees"

    def __init__(self) -> None:
        self._windows = Windows()
        trees = anomaly.HalfSpaceTrees(n_trees=10, height=8, window_size=250, seed=42)
        scaled = compose.Pipeline(preprocessing.MinMaxScaler(), trees)
        # River has no types here.
        self._model: Any = partial(anomaly.QuantileFilter, scaled, QUANTILE)()

    def see(self, seen: Seen) -> Iterator[Page]:
        """A page comes at the end of the window."""
        window = self._windows.see(seen)
        if window is None:
            return
        features = window.features()
        score = self._model.score_one(features)
        if self._model.classify(score):
            yield Page(seen.event.key_id, window.end)
        self._model.learn_one(features)
