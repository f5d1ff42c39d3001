"""A refresh that dies by kill -9 at one of its points, or tells every point it passes.

A point is the moment before a file operation below RAG_HOME (Python's audit events tell them), or before and after a
call that writes without one: Delta commits, Chroma, a Parquet sink, fsync, Dagster's start and end of a step. Run in a
process of its own, with the environment of a workspace, from the root of the repository:

    python -m tests.support.killed_refresh 17           # dies at the 17th point
    python -m tests.support.killed_refresh points.json  # runs to its end and writes the points down
    python -m tests.support.killed_refresh -            # one refresh for every job on standard input, each in a fork

The last form imports everything once, which takes longer than a refresh.
"""

import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink"}
"""Audit events that tell a path first, and for some of them a folder descriptor that a bare name is relative to."""

_DIFFERS = [
    (re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}(-\d+)?"), "<release>"),
    (re.compile(r"views/(\d+-)?\w{8,32}"), "views/<view>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<segment>"),
    (re.compile(r"/[0-9a-f]{32}(?=\.(\d+\.)?\w+$)"), "/<segment>"),
    (re.compile(r"evidence/[0-9a-f]{32}"), "evidence/<fingerprint>"),
    (re.compile(r"\d{8}T\d{6}\.\d{6}-[0-9a-f]{8}"), "<evidence>"),
    (re.compile(r"\.json\.[0-9a-f]{16}$"), ".json.<temporary>"),
]
"""What differs from run to run in a path."""

LOG = "killed.log"
"""What a fork said; its last line names the point it died at."""

_LONGEST_S = 300
"""A fork that takes longer than this is ended by SIGALRM, so that nothing waits for ever."""


@dataclass
class Point:
    """`step`: the Dagster step it lies in. `seconds`: how long the call took that it lies before."""

    step: str
    name: str
    seconds: float = 0.0


@dataclass
class Killer:
    """Writes down what a refresh does to RAG_HOME, and ends the process `delay` seconds after the `kill_at`-th point."""

    home: str
    dagster: str
    kill_at: int = 0
    delay: float = 0.0

    def __post_init__(self) -> None:
        self.points: list[Point] = []
        self.step = "start"
        self._lock = threading.Lock()

    def reached(self, what: str, path: str = "") -> Point:
        with self._lock:
            self.points.append(Point(self.step, f"{what} {self._short(path)}".strip()))
            if len(self.points) == self.kill_at:
                os.write(2, f"killed at point {self.kill_at}: {self.points[-1]}\n".encode())
                if not self.delay:
                    os.kill(os.getpid(), signal.SIGKILL)
                threading.Timer(self.delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
            return self.points[-1]

    def heard(self, event: str, told: tuple[Any, ...]) -> None:
        """The audit hook."""
        if event == "open" and isinstance(told[0], str | bytes):
            mode, flags = told[1], told[2]
            if flags & _WRITES or (isinstance(mode, str) and set(mode) & set("wax+")):
                path = os.fsdecode(told[0])
                if not (path.endswith(".lock") and os.path.exists(path)):  # noqa: PTH110
                    self._if_ours("open", path)
        elif event in _CHANGES:
            path = _located(told)
            if not (event == "os.mkdir" and os.path.exists(path)):  # noqa: PTH110
                self._if_ours(event.removeprefix("os."), path)

    def _if_ours(self, what: str, path: str) -> None:
        if self.counts(path):
            self.reached(what, path)

    def counts(self, path: str) -> bool:
        """Below RAG_HOME, and not Dagster's own."""
        return path.startswith(self.home + "/") and not f"{path}/".startswith(self.dagster + "/")

    def _short(self, path: str) -> str:
        short = path.removeprefix(self.home + "/")
        for pattern, name in _DIFFERS:
            short = pattern.sub(name, short)
        return short

    def around(self, owner: Any, name: str, where: Callable[..., str], *, after: bool = True) -> None:
        """Make a point before every call of `owner.name`, and one after it; `where`: the path, from the arguments."""
        original = getattr(owner, name)
        label = f"{getattr(owner, '__name__', owner)}.{name}"

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            path = where(*args)
            if not self.counts(path):
                return original(*args, **kwargs)
            point, started = self.reached(f"before {label}", path), time.monotonic()
            result = original(*args, **kwargs)
            point.seconds = time.monotonic() - started
            if after:
                self.reached(f"after {label}", path)
            return result

        setattr(owner, name, wrapped)

    def watch(self) -> None:
        """Count from now on, in this process."""
        import polars as pl
        import pyarrow.parquet as pq
        from chromadb.api.client import Client
        from chromadb.api.models.Collection import Collection

        from rag_pipeline.lake import Table

        for name in ("_write", "merge", "delete", "remove"):
            self.around(Table, name, lambda table, *_: str(table.path))
        for name in ("add", "delete", "modify"):
            self.around(Collection, name, lambda collection, *_: str(collection._client._system.settings.persist_directory))
        self.around(Client, "close", lambda client: str(client._system.settings.persist_directory))
        self.around(pq.ParquetWriter, "write_table", lambda writer, *_: str(writer.where), after=False)
        self.around(pl.LazyFrame, "sink_parquet", lambda _, path, *__: str(path))
        self.around(os, "fsync", _of_descriptor, after=False)
        self.around(os, "copy_file_range", lambda _, target, *__: _if_empty(target), after=False)
        self.around(json, "dump", lambda _, file, *__: _of_descriptor(file.fileno()), after=False)
        self._follow_steps()
        sys.addaudithook(self.heard)

    def _follow_steps(self) -> None:
        import dagster as dg

        original = dg.DagsterInstance.handle_new_event

        def told(instance: dg.DagsterInstance, event: Any, **kwargs: Any) -> Any:
            kind = event.dagster_event.event_type_value if event.is_dagster_event else ""
            if kind == "STEP_START":
                self.step = event.dagster_event.step_key
            if kind in ("STEP_START", "STEP_SUCCESS"):
                self.reached(f"before {kind}")
            return original(instance, event, **kwargs)

        dg.DagsterInstance.handle_new_event = told  # type: ignore[method-assign, assignment]


def _located(told: tuple[Any, ...]) -> str:
    """The path of an event; a name relative to a folder's descriptor, as shutil.rmtree gives it, is resolved."""
    if isinstance(told[0], int):
        return _of_descriptor(told[0])
    name = os.fsdecode(told[0])
    folders = [one for one in told[1:] if isinstance(one, int) and one > 2 and Path(f"/proc/self/fd/{one}").is_dir()]
    if not name.startswith("/") and folders:
        return f"{_of_descriptor(folders[-1])}/{name}"
    return os.path.abspath(name)  # noqa: PTH100


def _of_descriptor(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115


def _if_empty(descriptor: int) -> str:
    """Its path, where nothing was written yet: a copy ends with a call that copies nothing."""
    return "" if os.fstat(descriptor).st_size else _of_descriptor(descriptor)


def refresh_watched(home: str, dagster: str, kill_at: int, delay: float = 0.0) -> list[Point]:
    """One whole refresh as `rag refresh` does it; returns its points, unless it reaches the one it dies at."""
    from rag_pipeline.defs.run import refresh
    from rag_pipeline.process import prepare
    from rag_pipeline.settings import load_settings

    prepare()
    os.environ |= {"RAG_HOME": home, "DAGSTER_HOME": dagster}
    killer = Killer(home, dagster, kill_at, delay)
    killer.watch()
    ran = refresh(load_settings())
    if not ran.success:
        raise SystemExit(f"the refresh failed: {ran.errors} {ran.failed_checks}")
    return killer.points


@dataclass(frozen=True)
class Job:
    """Copy `home` and `dagster` from `base` to `root`, and refresh there until the point."""

    base: str
    root: str
    kill_at: int
    delay: float = 0.0


def serve() -> None:
    """For every job on standard input: fork a refresh, answer with the status its process ended with."""
    import chromadb  # noqa: F401
    import sentence_transformers  # noqa: F401

    import rag_pipeline.defs.run  # noqa: F401

    for line in sys.stdin:
        job = Job(**json.loads(line))
        for folder in ("home", "dagster"):
            shutil.copytree(f"{job.base}/{folder}", f"{job.root}/{folder}")
        child = os.fork()
        if child == 0:
            signal.alarm(_LONGEST_S)
            os.dup2(os.open(f"{job.root}/{LOG}", os.O_WRONLY | os.O_CREAT), 2)
            refresh_watched(f"{job.root}/home", f"{job.root}/dagster", job.kill_at, job.delay)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def main() -> None:
    (how,) = sys.argv[1:]
    if how == "-":
        serve()
        return
    kill_at = int(how) if how.isdigit() else 0
    points = refresh_watched(os.environ["RAG_HOME"], os.environ["DAGSTER_HOME"], kill_at)
    if not kill_at:
        Path(how).write_text(json.dumps([asdict(point) for point in points], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
