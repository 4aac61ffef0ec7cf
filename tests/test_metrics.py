import re
from typing import get_args

import pytest

from pipeline.counts import Metric, Metrics
from pipeline.metrics import (
    INTAKE_EVENTS,
    INTAKE_SECONDS,
    RECORD_AGE,
    SERVER_METRICS,
    WORKER_METRICS,
)
from schemas.action import Outcome
from schemas.dead_letter import REASONS
from schemas.incident import Severity


@pytest.mark.parametrize("metric", SERVER_METRICS + WORKER_METRICS, ids=lambda metric: metric.name)
def test_each_metric_says_what_to_do(metric: Metric) -> None:
    assert re.fullmatch(r"leakline_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") is (metric.kind == "counter")
    assert metric.meaning.endswith(".")
    assert metric.action.endswith(".")


def test_values_are_shown() -> None:
    metrics = Metrics(SERVER_METRICS)
    metrics.add(INTAKE_EVENTS, "events", "gw", by=3)
    metrics.observe(INTAKE_SECONDS, "events", value=0.02)
    text = metrics.render().decode()
    assert 'leakline_intake_events_total{format="events",source="gw"} 3.0' in text
    assert 'leakline_intake_seconds_bucket{format="events",le="0.025"} 1.0' in text


def test_a_metric_is_used_as_its_kind() -> None:
    with pytest.raises(TypeError, match="is a counter"):
        Metrics(SERVER_METRICS).follow(INTAKE_EVENTS, "events", "gw", value=lambda: 1)


def test_what_may_alert_is_shown_before_it_happens() -> None:
    """Else `increase()` misses the first one."""
    workers, server = (
        Metrics(WORKER_METRICS).render().decode(),
        Metrics(SERVER_METRICS).render().decode(),
    )
    for reason in REASONS:
        assert f'leakline_dead_letters_total{{reason="{reason}"}} 0.0' in workers
    for status in get_args(Outcome):
        assert f'leakline_action_outcomes_total{{status="{status}"}} 0.0' in workers
    for severity in get_args(Severity):
        assert f'leakline_incident_revisions_total{{severity="{severity}"}} 0.0' in workers
    assert 'leakline_slack_messages_total{outcome="failed"} 0.0' in workers
    assert "leakline_store_unavailable_total 0.0" in workers
    assert 'leakline_intake_refused_total{status="503"} 0.0' in server
    assert 'leakline_slack_clicks_total{outcome="refused"} 0.0' in server


def test_a_gauge_may_follow_something() -> None:
    metrics = Metrics(WORKER_METRICS)
    metrics.follow(RECORD_AGE, "incidents", value=iter((1.0, 2.0)).__next__)
    shown = [metrics.render().decode() for _ in range(2)]
    for text, age in zip(shown, (1.0, 2.0), strict=True):
        assert f'leakline_record_age_seconds{{topic="incidents"}} {age}' in text
