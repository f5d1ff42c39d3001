"""Spans reach a collector that a variable names, and hold no question; without one nothing is made."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from rag_pipeline.serve.note import Note
from rag_pipeline.serve.traces import Traces

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass
class Collector(grpc.GenericRpcHandler):
    spans: list[Any] = field(default_factory=list)
    url: str = ""

    def service(self, call: Any) -> Any:
        if call.method != EXPORT:
            return None

        def take(request: Any, _: Any) -> Any:
            self.spans += [span for part in request.resource_spans for scope in part.scope_spans for span in scope.spans]
            return ExportTraceServiceResponse()

        return grpc.unary_unary_rpc_method_handler(
            take, ExportTraceServiceRequest.FromString, ExportTraceServiceResponse.SerializeToString
        )


@pytest.fixture
def collector() -> Iterator[Collector]:
    found, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((found,))
    found.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield found
    server.stop(None)


NOTE = Note("q_1", "production", "r1", "lexical", 3, ("words",), {"wait": 1.0, "search": 20.0})


def test_an_answer_is_a_span_with_its_steps(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    traces = Traces()
    traces.request("search", NOTE, 0.05)
    traces.request("ready", Note("q_2"), 0.01)
    traces.flush()
    by_name = {span.name: span for span in collector.spans}
    assert set(by_name) == {"retrieval search", "wait", "search"}
    whole = by_name["retrieval search"]
    assert by_name["search"].parent_span_id == by_name["wait"].parent_span_id == whole.span_id
    assert whole.end_time_unix_nano - whole.start_time_unix_nano == pytest.approx(50e6, abs=1e6)
    said = {one.key: one.value for one in whole.attributes}
    assert said["gen_ai.operation.name"].string_value == "retrieval"
    assert said["gen_ai.data_source.id"].string_value == "r1"
    assert said["rag.query_id"].string_value == "q_1"
    assert said["rag.hits"].int_value == 3


def test_without_a_collector_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    traces = Traces()
    traces.request("search", NOTE, 0.05)
    traces.flush()
    assert traces._tracer is None
