"""Spans by OpenTelemetry, only where OTEL_EXPORTER_OTLP_ENDPOINT names a collector. They hold no text and no principal."""

import os
import time
from typing import Any

from rag_pipeline.serve.note import Note

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Traces:
    """Does nothing where no collector is named."""

    def __init__(self) -> None:
        self._tracer: Any = None
        self._provider: Any = None
        if not any(os.environ.get(name) for name in _ENDPOINTS):
            return
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        name = os.environ.get("OTEL_SERVICE_NAME") or "rag-serve"
        self._provider = TracerProvider(resource=Resource.create({"service.name": name}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("rag_pipeline.serve")

    def flush(self) -> None:
        """Send what was not sent yet; a process that ends does so by itself."""
        if self._provider:
            self._provider.force_flush()

    def request(self, operation: str, note: Note, seconds: float) -> None:
        """One span of a search that was answered, with its steps as its children, in the names of the GenAI conventions."""
        if self._tracer is None or not note.release:
            return
        end = time.time_ns()
        begin = end - int(seconds * 1e9)
        about = {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.data_source.id": note.release,
            "rag.query_id": note.query_id,
            "rag.channel": note.channel,
            "rag.arm": note.arm,
            "rag.mode": note.mode,
            "rag.hits": note.hits or 0,
            "rag.degraded": list(note.degraded),
        }
        from opentelemetry import trace

        span = self._tracer.start_span(f"retrieval {operation}", start_time=begin, attributes=about)
        inside = trace.set_span_in_context(span)
        at = begin
        for step, milliseconds in note.steps_ms.items():
            child = self._tracer.start_span(step, context=inside, start_time=at)
            at += int(milliseconds * 1e6)
            child.end(end_time=at)
        span.end(end_time=end)
