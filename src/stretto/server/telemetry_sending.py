"""Puts OpenTelemetry's own parts together: one tracer and two histograms, sent by OTLP over HTTP."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

import anyio
import anyio.to_thread
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Tracer

from stretto.server.telemetry_spans import RunSpans

TIMEOUT = 5.0
"""How long one sending may take, and the last one at the end (seconds)."""
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""The bounds of the histograms' buckets, as the GenAI conventions advise."""


class RunIds(RandomIdGenerator):
    """Gives the root span of a run ids made of the run's: all processes that carry it out tell one trace."""

    def __init__(self) -> None:
        self._chosen: tuple[int, int] | None = None

    def choose(self, run_id: str) -> None:
        """Says of which run the next root span is."""
        digest = hashlib.sha256(run_id.encode()).digest()
        self._chosen = int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])

    def generate_trace_id(self) -> int:
        """Returns the id of a trace; that of the chosen run, once."""
        return super().generate_trace_id() if self._chosen is None else self._chosen[0]

    def generate_span_id(self) -> int:
        """Returns the id of a span; that of the chosen run's root, once."""
        chosen, self._chosen = self._chosen, None
        return super().generate_span_id() if chosen is None else chosen[1]


class Sender:
    """Makes the spans and metrics of runs, and hands them to an exporter and a reader."""

    def __init__(self, exporter: SpanExporter, reader: MetricReader, *, content: bool = False) -> None:
        resource = Resource.create({"service.name": "stretto", "service.version": version("stretto")})
        self._ids, self._content = RunIds(), content
        self.tracers = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self.tracers.add_span_processor(BatchSpanProcessor(exporter))
        self.meters = MeterProvider([reader], resource, shutdown_on_exit=False)
        self._tracer: Tracer = self.tracers.get_tracer("stretto", version("stretto"))
        meter = self.meters.get_meter("stretto", version("stretto"))
        self._tokens: Histogram = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens of a call of a model, in and out.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )  # fmt: skip
        self._durations: Histogram = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "How long a call of a model took.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )  # fmt: skip

    def follower(self) -> RunSpans:
        """Returns what follows one run."""
        return RunSpans(self._tracer, self._ids.choose, self._tokens, self._durations, content=self._content)

    async def close(self) -> None:
        """Sends what is left, for a few seconds at the most."""
        with anyio.move_on_after(2 * TIMEOUT, shield=True):
            await anyio.to_thread.run_sync(self._shut_down, abandon_on_cancel=True)

    def _shut_down(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown(timeout_millis=TIMEOUT * 1000)


def sending(place: str, *, content: bool) -> Sender:
    """Returns what sends to the collector at an address, as ``http://localhost:4318``."""
    base = place.rstrip("/")
    exporter = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=TIMEOUT)
    metrics = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=TIMEOUT)
    return Sender(exporter, PeriodicExportingMetricReader(metrics), content=content)
