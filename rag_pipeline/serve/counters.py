"""What a replica counts, for Prometheus, on a port of its own that listens on this machine alone.

No name of a principal, a document or a query is a label: they are private, and there is no end of them.
"""

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from rag_pipeline.errors import PipelineError
from rag_pipeline.replicas.tally import Tally
from rag_pipeline.serve.note import Note

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10)

HOST = "127.0.0.1"


class Counters:
    """One registry a replica."""

    def __init__(self) -> None:
        self.tally = Tally()
        """The last hour of what people ask, for Dagster."""
        self._registry = CollectorRegistry()
        about: Any = {"registry": self._registry}
        self._requests = Counter("rag_requests", "Requests, by outcome.", ["operation", "status", "problem"], **about)
        self._seconds = Histogram("rag_request_seconds", "Seconds a request took.", ["operation"], buckets=_SECONDS, **about)
        self._steps = Histogram("rag_step_seconds", "Seconds of one step of a search.", ["step"], buckets=_SECONDS, **about)
        self._degraded = Counter("rag_degraded", "Answers that were degraded.", ["kind"], **about)
        self._from = Counter("rag_answers", "Answers, by where they came from.", ["channel", "release", "arm"], **about)
        self._now = {
            "working": Gauge("rag_working", "Questions in progress.", **about),
            "waiting": Gauge("rag_waiting", "Questions that wait.", **about),
            "ready": Gauge("rag_ready", "1 when the first channel has a release that answers.", **about),
            "last_good": Gauge("rag_last_good", "1 when a channel names a release that cannot be opened.", **about),
            "no_encoder": Gauge("rag_no_encoder", "1 when questions cannot be embedded.", **about),
            "split_percent": Gauge("rag_split_percent", "Percent of the traffic that the canary answers.", **about),
            "canary_unopened": Gauge(
                "rag_canary_unopened", "Questions of the canary arm that the stable one had to answer.", **about
            ),
            "shadow_pairs": Gauge("rag_shadow_pairs", "Questions that another release was asked too.", **about),
            "shadow_dropped": Gauge("rag_shadow_dropped", "Questions that it was to be asked, and was not.", **about),
            "no_reranker": Gauge("rag_no_reranker", "1 when hits cannot be ordered again.", **about),
            "log_lost": Gauge("rag_log_lost", "Rows of the log of questions that this replica lost.", **about),
        }

    def read_now(self, name: str, value: Callable[[], float]) -> None:
        """Have a gauge read whenever it is asked."""
        self._now[name].set_function(value)

    def request(
        self, operation: str, status: int, problem: str, seconds: float, degraded: tuple[str, ...] = (), *, asks: bool = True
    ) -> None:
        """`asks`: somebody wants an answer, and does not merely look whether the replica lives."""
        if asks:
            self.tally.count(time.time(), status, problem, 1000 * seconds, degraded)
        self._requests.labels(operation, str(status), problem).inc()
        self._seconds.labels(operation).observe(seconds)

    def answer(self, note: Note) -> None:
        self._from.labels(note.channel, note.release, note.arm).inc()
        for kind in note.degraded:
            self._degraded.labels(kind).inc()
        for step, milliseconds in note.steps_ms.items():
            self._steps.labels(step).observe(milliseconds / 1000)

    def listen(self, port: int) -> int:
        """Show them at http://127.0.0.1:PORT/metrics; 0: a port that is free. Returns the port."""
        try:
            server, _ = start_http_server(port, addr=HOST, registry=self._registry)
        except OSError as error:
            raise PipelineError(
                f"--metrics-port {port}: it cannot be listened on ({error.strerror}); name another, or 0 for any free one"
            ) from error
        return int(server.server_port)
