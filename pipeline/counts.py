"""The values that a process shows Prometheus, and what it says of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)

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
    starts: tuple[str, ...] = ()
    """Values of its one label that show 0 from the start: `increase()` misses the first step of
    what was not there before."""


SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of a histogram that names none."""


class Metrics:
    """The values of one process, in a registry of its own."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._registry = CollectorRegistry()
        self._collectors = {metric.name: self._collector(metric) for metric in metrics}

    def add(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Raise a counter."""
        self._at(metric, labels, Counter).inc(by)

    def follow(self, metric: Metric, *labels: str, value: Callable[[], float]) -> None:
        """Have a gauge ask for its value whenever it is looked at."""
        self._at(metric, labels, Gauge).set_function(value)

    def observe(self, metric: Metric, *labels: str, value: float) -> None:
        """Put a value into a histogram."""
        self._at(metric, labels, Histogram).observe(value)

    def serve(self, host: str, port: int) -> int:
        """Show everything at `/metrics` from a thread of its own, for as long as the process lives.

        Returns:
            The port: a free one for 0.

        Raises:
            OSError: the port is taken.
        """
        server, _ = start_http_server(port, host, self._registry)
        return server.server_port

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
                buckets=metric.buckets or SECONDS,
            )
        kind = Counter if metric.kind == "counter" else Gauge
        made = kind(metric.name, metric.meaning, metric.labels, registry=self._registry)
        for label in metric.starts:
            made.labels(label)
        return made

    def _at(self, metric: Metric, labels: tuple[str, ...], kind: type[T]) -> T:
        collector = self._collectors[metric.name]
        if not isinstance(collector, kind):
            raise TypeError(f"{metric.name} is a {metric.kind}")
        return collector.labels(*labels) if labels else collector
