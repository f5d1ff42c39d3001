"""The one file that imports Ray. It runs in a process of its own (`ray_process`), and in the workers.

No text and no vector passes through Ray: a block is the name of one part, and what came of it.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.process import prepare

_STORE_BYTES = 100_000_000
"""The size of Ray's object store on this machine, for names and counts; Ray takes no less than 75 MB."""

_AFTER_S = 10.0


def main() -> None:
    """Read what to do from the first line of stdin, write a line of JSON for each answer, end when stdin ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever Ray prints is no answer
    told: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare()
    with ExitStack() as stack:
        for answer in _answers(told, stack):
            out.write(json.dumps(answer) + "\n")
            out.flush()


class Actor:
    """A worker as Ray Data calls it: a batch is one part."""

    def __init__(self, orders: str) -> None:
        prepare()
        from rag_pipeline.corpus.engines.worker import Worker

        self._worker = Worker(orders)

    def __call__(self, batch: dict[str, NDArray[np.str_]]) -> dict[str, list[str]]:
        return {"answer": [json.dumps(self._worker.embed(str(part))) for part in batch["part"]]}


def _answers(told: dict[str, Any], stack: ExitStack) -> Iterator[dict[str, Any]]:
    """`stack`: what is to be undone when the process ends."""
    import ray
    import ray.data

    try:
        least, most = _connect(ray, told, stack)
    except Exception as error:
        yield {"error": f"RAG_RAY_ADDRESS={told['address']}: {_one_line(error)}"}
        return
    have = ray.cluster_resources()
    yield {
        "cluster": f"{least if least == most else f'{least} to {most}'} workers wanted (CPUs: {told['worker_cpus']}, GPUs: "
        f"{told['worker_gpus']:g} each) of a cluster with {have.get('CPU', 0):g} CPUs and {have.get('GPU', 0):g} GPUs"
    }
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = False
    parts = [{"part": part} for part in told["parts"]]
    pool = {"size": least} if least == most else {"min_size": least, "max_size": most}
    rows = ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
        Actor,
        fn_constructor_args=(told["orders"],),
        compute=ray.data.ActorPoolStrategy(**pool, max_tasks_in_flight_per_actor=2),
        batch_size=1,
        num_cpus=told["worker_cpus"],
        num_gpus=told["worker_gpus"] or None,
    )
    try:
        for batch in rows.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow"):
            yield from (json.loads(answer) for answer in batch["answer"].to_pylist())
    except Exception as error:
        yield {"error": f"Ray gave up: {_one_line(error)}"}


def _connect(ray: Any, told: dict[str, Any], stack: ExitStack) -> tuple[int, int]:
    """Start or join the cluster; how many workers to ask for, at least and at most."""
    least, most = told["workers"]
    cpus, gpus = told["worker_cpus"], told["worker_gpus"]
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if told["address"] == "local":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        fit = max(1, cores // cpus)
        # One CPU more than the workers take: where actors hold all CPUs of a node, Ray Data waits for ever.
        ray.init(
            address="local",
            num_cpus=(most or fit) * cpus + 1,
            object_store_memory=_STORE_BYTES,
            include_dashboard=False,
            **quiet,
        )
        if gpus and not most:
            fit = max(1, min(fit, int(ray.cluster_resources().get("GPU", 0) / gpus)))
    else:
        if told["address"] != "auto":  # a driver has to be on a node, or Ray ends the process: this machine becomes one
            quiet["_node_ip_address"] = stack.enter_context(_node(told["address"]))
        ray.init(address=told["address"], **quiet)
        fit = max(1, sum(_fit(node.get("Resources", {}), cpus, gpus) for node in ray.nodes() if node.get("Alive")))
    stack.callback(ray.shutdown)  # before the node it is on ends
    return (least, most) if most else (fit, fit)


@contextmanager
def _node(head: str) -> Iterator[str]:
    """Have this machine be a node of a cluster, without CPUs, so that it gets no work; its address as the head sees it.

    Raises `OSError` when it cannot be.
    """
    address = _address_towards(head)
    said = [f"--address={head}", f"--node-ip-address={address}", "--num-cpus=0", "--num-gpus=0", "--block"]
    command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", *said]
    command.append(f"--object-store-memory={_STORE_BYTES}")
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    node = subprocess.Popen(command, stdin=nothing, stdout=pipe, text=True, preexec_fn=_end_with_this)
    try:
        if not any("runtime started" in line for line in iter(node.stdout.readline, "")):  # type: ignore[union-attr]
            raise OSError(f"this machine could not join the cluster (`ray start` ended with {node.wait()})")
        threading.Thread(target=node.stdout.read, daemon=True).start()  # type: ignore[union-attr]
        yield address
    finally:
        node.terminate()
        node.wait()


def _address_towards(head: str) -> str:
    """The address of this machine on the way to another; nothing is sent."""
    host, _, port = head.rpartition(":")
    kind, _, _, _, to = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
    with socket.socket(kind, socket.SOCK_DGRAM) as one:
        one.connect(to)
        return str(one.getsockname()[0])


def _end_with_this() -> None:
    """Have the system end a process of ours when this one dies, however it does (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").prctl(1, signal.SIGTERM)


def _fit(node: dict[str, float], cpus: int, gpus: float) -> int:
    """How many workers fit on a node beside a CPU that stays free."""
    by_cpus = int((node.get("CPU", 0) - 1) // cpus)
    return max(0, min(by_cpus, int(node.get("GPU", 0) / gpus)) if gpus else by_cpus)


def _end_with_parent() -> None:
    """End when the parent does, however it died: Ray by its own handler of SIGTERM, or else at once."""
    while sys.stdin.readline():
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_AFTER_S)
    os._exit(1)


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:600]}"
