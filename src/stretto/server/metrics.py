"""What Prometheus is told of a server: its requests, and what runs and waits in it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    """The figures of one server, in a registry of its own: two servers in one process do not add up."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._requests = Counter(
            "stretto_http_requests_total", "Requests, by the path of the operation.", ["method", "path", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "stretto_http_request_seconds", "How long answers took, streams to their ends.", ["method", "path"],
            buckets=_BOUNDS, registry=self._registry,
        )  # fmt: skip
        self._executions = Gauge(
            "stretto_executions", "Executions of workflows, by their state.", ["status"], registry=self._registry
        )
        self._runs = Gauge("stretto_runs_live", "Runs that go on in this process.", registry=self._registry)
        self._watching = Gauge("stretto_streams", "Clients that listen to events.", registry=self._registry)
        self._started = Gauge(
            "stretto_start_time_seconds", "When the server started, since the Unix epoch.", registry=self._registry
        )

    def took(self, method: str, path: str, status: int, seconds: float) -> None:
        """Counts a request; ``path`` is that of the operation, so that there are not more than operations."""
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(known, path, str(status or 499)).inc()
        self._seconds.labels(known, path).observe(seconds)

    def stands(self, *, running: int, queued: int, live: int, watching: int, started_at: float) -> None:
        """Takes what runs and waits now."""
        self._executions.labels("running").set(running)
        self._executions.labels("queued").set(queued)
        self._runs.set(live)
        self._watching.set(watching)
        self._started.set(started_at)

    def text(self) -> bytes:
        """Returns everything in Prometheus' text format."""
        return generate_latest(self._registry)
