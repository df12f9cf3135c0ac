"""What Prometheus reads of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kinema_apps.service.states import FINAL

#: Seconds of requests and of jobs.
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
JOB_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Measures:
    """Counters, gauges and histograms, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._jobs = Counter(
            "kinema_jobs", "Jobs that are over.", ("backbone", "state"), registry=self.registry
        )
        self._seconds = Histogram(
            "kinema_job_seconds",
            "Seconds from the begin of a try to its video.",
            ("backbone",),
            buckets=JOB_BUCKETS,
            registry=self.registry,
        )
        self._lost = Counter(
            "kinema_workers_lost", "Workers that went away.", registry=self.registry
        )
        self._refused = Counter(
            "kinema_jobs_refused", "Jobs for which the queue had no place.", registry=self.registry
        )
        self._requests = Counter(
            "kinema_requests", "Requests.", ("method", "route", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "kinema_request_seconds",
            "Seconds until the head of the answer.",
            ("method", "route"),
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._streams = Gauge(
            "kinema_streams", "Event streams that are open.", registry=self.registry
        )
        self.open_streams = 0

    def job_over(self, backbone: str, state: str, seconds: float | None = None) -> None:
        """A job is over; ``seconds`` where it succeeded."""
        self._jobs.labels(backbone, state).inc()
        if seconds is not None:
            self._seconds.labels(backbone).observe(seconds)

    def worker_lost(self) -> None:
        """A worker went away."""
        self._lost.inc()

    def refused(self) -> None:
        """A job found no place."""
        self._refused.inc()

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def stream(self, change: int) -> None:
        """An event stream was opened (1) or closed (-1)."""
        self.open_streams += change
        self._streams.set(self.open_streams)

    def watch(self, counts: Callable[[], Mapping[str, int]], ready: Callable[[], bool]) -> None:
        """Ask these whenever the figures are read."""
        self.registry.register(_Now(counts, ready))

    def text(self) -> bytes:
        """All of it, in the text form of Prometheus."""
        return generate_latest(self.registry)


class _Now(Collector):
    """How things stand when the figures are read."""

    def __init__(self, counts: Callable[[], Mapping[str, int]], ready: Callable[[], bool]) -> None:
        self._counts, self._ready = counts, ready

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        jobs = GaugeMetricFamily("kinema_jobs_kept", "Jobs by state.", labels=["state"])
        counts = self._counts()
        for state in ("queued", "running", *FINAL):
            jobs.add_metric([state], counts.get(state, 0))
        yield jobs
        yield GaugeMetricFamily(
            "kinema_ready", "Whether a worker is there.", value=float(self._ready())
        )
