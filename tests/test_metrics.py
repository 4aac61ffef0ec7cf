import re

import pytest

from pipeline.metrics import (
    INTAKE_EVENTS,
    INTAKE_SECONDS,
    METRICS,
    WORKER_METRICS,
    Metric,
    Metrics,
)


@pytest.mark.parametrize("metric", METRICS + WORKER_METRICS, ids=lambda metric: metric.name)
def test_each_metric_says_what_to_do(metric: Metric) -> None:
    assert re.fullmatch(r"leakline_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") is (metric.kind == "counter")
    assert metric.meaning.endswith(".")
    assert metric.action.endswith(".")


def test_values_are_shown() -> None:
    metrics = Metrics()
    metrics.add(INTAKE_EVENTS, "events", "gw", by=3)
    metrics.observe(INTAKE_SECONDS, "events", value=0.02)
    text = metrics.render().decode()
    assert 'leakline_intake_events_total{format="events",source="gw"} 3.0' in text
    assert 'leakline_intake_seconds_bucket{format="events",le="0.025"} 1.0' in text


def test_a_metric_is_used_as_its_kind() -> None:
    with pytest.raises(TypeError, match="is a counter"):
        Metrics().set(INTAKE_EVENTS, "events", "gw", to=1)
