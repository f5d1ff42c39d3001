"""One `rag refresh --json`, told of as it goes: CPU time and peak memory of every Dagster step. `nights.py` runs it.

The last line on stdout is one JSON object. `imports_cpu_s` is what the process had used when everything the command
imports before the run was imported; what a step imports later (Chroma, torch) counts as the night's.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def cpu_s() -> float:
    """Of this process and of those it started and waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def memory_mb(field: str) -> float:
    """`VmRSS` (now) or `VmHWM` (most since the last `forget_peak`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


class CheapEncoder:
    """Vectors that cost nothing and still say which texts share words; for measuring everything but the model."""

    def __init__(self, dimensions: int) -> None:
        self._words = np.random.default_rng(0).normal(size=(4_096, dimensions)).astype(np.float32)

    def documents(self, texts: list[str]) -> Any:
        import zlib

        vectors = np.stack(
            [self._words[[zlib.crc32(word.encode()) % 4_096 for word in text.split()]].mean(axis=0) for text in texts]
        )
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    queries = documents


def main() -> None:
    started = time.perf_counter()
    sys.argv = ["rag", "refresh", "--json"]
    import dagster as dg
    import dagster._core.storage.base_storage  # what any Dagster command that opens its home imports

    import rag_pipeline.corpus.model as model
    from rag_pipeline.cli import main as rag
    from rag_pipeline.index import chroma

    imports = cpu_s()
    steps: list[dict[str, Any]] = []
    peak = 0.0
    handle = dg.DagsterInstance.handle_new_event

    def watched(self: Any, event: Any, **rest: Any) -> Any:
        nonlocal peak
        what = event.dagster_event.event_type_value if event.dagster_event else ""
        if what in ("STEP_START", "STEP_SUCCESS", "STEP_FAILURE"):
            top = memory_mb("VmHWM")
            peak = max(peak, top)
            if what == "STEP_START":
                steps.append({"step": event.step_key, "cpu_s": -cpu_s(), "wall_s": -time.perf_counter()})
            else:
                steps[-1]["cpu_s"] += cpu_s()
                steps[-1]["wall_s"] += time.perf_counter()
                steps[-1] |= {"peak_mb": top, "left_mb": memory_mb("VmRSS")}
            forget_peak()
        return handle(self, event, **rest)

    dg.DagsterInstance.handle_new_event = watched  # type: ignore[method-assign]
    if os.environ.get("NIGHTS_ENCODER") == "cheap":
        model.Model.load = lambda self: CheapEncoder(self.dimensions)  # type: ignore[method-assign]
    if os.environ.get("NIGHTS_RESIDUE") == "kept":
        chroma.compact = lambda folder: None
    try:
        rag()
    finally:
        told = {
            "imports_cpu_s": imports,
            "cpu_s": cpu_s(),
            "wall_s": time.perf_counter() - started,
            "peak_mb": max(peak, memory_mb("VmHWM")),
            "steps": steps,
        }
        sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
