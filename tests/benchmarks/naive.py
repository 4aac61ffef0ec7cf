"""The obvious design, to compare with: json, a River model per key and detector, one insert each.

What a week-end project does: three detectors (spend, place, hour), each with its River model that
scores and learns every event, and a row written for every event. It keeps no windows, no
positions, no totals, and would have to do more to do as much.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import iptocc
from river import anomaly, proba

_INSERT = "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class Naive:
    """One event at a time."""

    def __init__(self, database: Path) -> None:
        self._store = sqlite3.connect(database, isolation_level=None)
        self._store.execute("PRAGMA journal_mode=WAL")
        self._store.execute("PRAGMA synchronous=OFF")
        self._store.execute(
            "CREATE TABLE usage (id, at, key, model, tokens, cost, country, score REAL)"
        )
        # River has no types here.
        self._gaussian: Any = partial(anomaly.GaussianScorer)
        self._models: dict[str, tuple[Any, Any, Any]] = {}
        self.alerts = 0

    def run(self, lines: Sequence[bytes]) -> None:
        """Every line through everything."""
        for line in lines:
            self._event(json.loads(line))

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def _event(self, event: dict[str, Any]) -> None:
        models = self._models.get(event["key_id"])
        if models is None:
            models = (self._gaussian(), proba.Multinomial(), self._gaussian())
            self._models[event["key_id"]] = models
        spend, place, hours = models
        cost = event.get("cost_usd") or 0.0
        country = iptocc.country_code(event["client_ip"]) or "?"
        hour = datetime.fromtimestamp(event["occurred_at"]).astimezone().hour
        score = spend.score_one(None, cost)
        strange = 1.0 - place(country)
        late = hours.score_one(None, hour)
        spend.learn_one(None, cost)
        place.update(country)
        hours.learn_one(None, hour)
        if max(score, strange, late) > 0.9999:
            self.alerts += 1
        self._store.execute(
            _INSERT,
            (
                event["event_id"],
                event["occurred_at"],
                event["key_id"],
                event.get("model"),
                event.get("input_tokens", 0) + event.get("output_tokens", 0),
                cost,
                country,
                score,
            ),
        )
