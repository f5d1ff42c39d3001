"""Which runs are at work: each holds a lock of its own from before its record says so until it ends.

A record in Dagster's storage outlives the process that wrote it; a lock does not. The files are in `RAG_HOME/runs/`, so that
a run that has one there is a run of this pipeline, whoever else uses the same Dagster instance.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_pipeline.home import Home


@contextmanager
def at_work(home: Home, run_id: str) -> Iterator[None]:
    """Say that this process works on the run; the system takes that back when the process dies."""
    with _for_other_machines(home, run_id), _on_this_machine(home, run_id):
        yield


@contextmanager
def _on_this_machine(home: Home, run_id: str) -> Iterator[None]:
    named = _lock_of(home, run_id)
    named.parent.mkdir(parents=True, exist_ok=True)
    unnamed = named.with_name(f".{named.name}")
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o644)  # readers of other accounts may look
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        unnamed.replace(named)  # named once it is locked: nobody finds it free while its run is alive
        yield
    finally:
        named.unlink(missing_ok=True)
        os.close(descriptor)


def is_at_work(home: Home, run_id: str) -> bool | None:
    """Whether some process works on the run; None where there is no word of it: it ended in order, or never began here."""
    try:
        return _is_held(_lock_of(home, run_id))
    except FileNotFoundError:
        pass
    with _for_other_machines(home, run_id) as nobody:
        return None if nobody else True


@contextmanager
def _for_other_machines(home: Home, run_id: str) -> Iterator[bool]:
    """The lock of a run where machines share a home; False where another one has it. There is none for a folder."""
    if not home.uri:
        yield True
        return
    from rag_pipeline.storage.attach import mirror_of  # takes libraries that a home on this machine needs not

    with mirror_of(home.root).locks.holding(f"runs/{run_id}", 0) as held:
        yield held


def process_of(home: Home, run_id: str) -> str:
    """Number of the process that works on the run, or did; empty where that is not known."""
    try:
        return _lock_of(home, run_id).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def sweep(home: Home) -> None:
    """Remove the locks of runs whose process is gone."""
    for path in home.runs.glob("[!.]*.lock"):
        try:
            if not _is_held(path):
                path.unlink()
        except FileNotFoundError:
            continue


def _is_held(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look do not take each other for the run
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock_of(home: Home, run_id: str) -> Path:
    return home.run_lock(run_id)
