"""The metrics, as data: what each one counts, and what an operator does when it moves."""

from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

Kind = Literal["counter", "gauge", "histogram"]
T = TypeVar("T", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Metric:
    """One name in Prometheus."""

    name: str
    kind: Kind
    meaning: str
    action: str
    """What an operator does about it."""
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram."""


_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

INTAKE_EVENTS: Final = Metric(
    "leakline_intake_events_total",
    "counter",
    "Events that the broker acknowledged, by format and token.",
    "When it falls to 0 while gateways are in use, look at their logs and at the refusals.",
    ("format", "source"),
)
INTAKE_REJECTED: Final = Metric(
    "leakline_intake_rejected_total",
    "counter",
    "Items that became dead letters at the intake, by format and reason.",
    "`leakline dead-letters list` shows them; a new reason is mostly a gateway's new version.",
    ("format", "reason"),
)
INTAKE_REFUSED: Final = Metric(
    "leakline_intake_refused_total",
    "counter",
    "Requests that were turned away as a whole, by HTTP status.",
    "401: a gateway has an old token, or somebody guesses. 429 and 413: raise the limits or"
    " shrink the gateway's batches. 503: see to the broker.",
    ("status",),
)
INTAKE_SECONDS: Final = Metric(
    "leakline_intake_seconds",
    "histogram",
    "Seconds from a request's first byte to the broker's acknowledgement.",
    "When it grows the broker is slow, or one process is not enough: start another.",
    ("format",),
    _SECONDS,
)
INTAKE_UNAVAILABLE: Final = Metric(
    "leakline_intake_log_unavailable_total",
    "counter",
    "Batches that the broker did not acknowledge; gateways were told to come again.",
    "See to the broker: gateways buffer for minutes, not for hours.",
)
SLACK_CLICKS: Final = Metric(
    "leakline_slack_clicks_total",
    "counter",
    "Requests to the endpoint of Slack's interactions, by outcome.",
    "`refused` that keeps growing: the signing secret is wrong, or somebody probes.",
    ("outcome",),
)
CONSOLE_REQUESTS: Final = Metric(
    "leakline_console_requests_total",
    "counter",
    "Pages of the console that were asked for, by HTTP status.",
    "401 that keeps growing: somebody guesses the console's token.",
    ("status",),
)

METRICS: Final = (
    INTAKE_EVENTS,
    INTAKE_REJECTED,
    INTAKE_REFUSED,
    INTAKE_SECONDS,
    INTAKE_UNAVAILABLE,
    SLACK_CLICKS,
    CONSOLE_REQUESTS,
)


class Metrics:
    """The values of one process, in a registry of its own."""

    def __init__(self, metrics: tuple[Metric, ...] = METRICS) -> None:
        self._registry = CollectorRegistry()
        self._collectors = {metric.name: self._collector(metric) for metric in metrics}

    def add(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Raise a counter."""
        self._at(metric, labels, Counter).inc(by)

    def set(self, metric: Metric, *labels: str, to: float) -> None:
        """Set a gauge."""
        self._at(metric, labels, Gauge).set(to)

    def observe(self, metric: Metric, *labels: str, value: float) -> None:
        """Put a value into a histogram."""
        self._at(metric, labels, Histogram).observe(value)

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def _collector(self, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "histogram":
            return Histogram(
                metric.name,
                metric.meaning,
                metric.labels,
                registry=self._registry,
                buckets=metric.buckets or _SECONDS,
            )
        kind = Counter if metric.kind == "counter" else Gauge
        return kind(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _at(self, metric: Metric, labels: tuple[str, ...], kind: type[T]) -> T:
        collector = self._collectors[metric.name]
        if not isinstance(collector, kind):
            raise TypeError(f"{metric.name} is a {metric.kind}")
        return collector.labels(*labels) if labels else collector
