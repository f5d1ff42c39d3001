"""A real `dagster-daemon run` over a workspace, with its code server and run workers, for killing whole or in part."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import dagster as dg
import psutil

from rag_pipeline.defs.home import prepare_dagster_home
from rag_pipeline.defs.jobs import NIGHTLY
from tests.conftest import Workspace

EVERY_MINUTE = {
    "RAG_SCHEDULES": "on",
    "RAG_NIGHTLY_CRON": "* * * * *",
    "RAG_EVALUATION_CRON": "0 0 1 1 *",
    "RAG_COLLECTION_CRON": "0 0 1 1 *",
    "OMP_NUM_THREADS": "1",
}
"""Settings under which the nightly refresh is due every minute, and nothing else is."""

Found = TypeVar("Found")

_LONGEST_S = 240.0


@dataclass
class Night:
    """One workspace whose schedules a daemon runs."""

    workspace: Workspace
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def environment(self) -> dict[str, str]:
        return {**self.workspace.environment, **EVERY_MINUTE}

    @property
    def log(self) -> Path:
        return self.workspace.root / "daemon.log"

    def start(self) -> None:
        """A daemon of its own process group, as systemd or a terminal would start it."""
        prepare_dagster_home(self.workspace.settings)
        command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "rag_pipeline.definitions"]
        with self.log.open("ab") as log:
            self.process = _started(command, self.environment, log)

    def kill(self) -> None:
        """kill -9 of the daemon and everything that hangs on it: a machine that went down."""
        if self.process and self.process.poll() is None:
            below = psutil.Process(self.process.pid).children(recursive=True)
            for one in [self.process, *below]:
                with suppress(ProcessLookupError, psutil.NoSuchProcess):
                    os.kill(one.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            psutil.wait_procs(below, timeout=30)

    def command(self, *words: str) -> "subprocess.Popen[bytes]":
        """A `rag` command in a process of its own."""
        with (self.workspace.root / "command.log").open("ab") as log:
            return _started([sys.executable, "-c", _code(words)], self.environment, log)

    def tried(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A `rag` command to its end, whatever that is; `environment` on top of the workspace's."""
        command = [sys.executable, "-c", _code(words)]
        return subprocess.run(
            command, env={**self.environment, **environment}, capture_output=True, text=True, check=False, timeout=600
        )

    def says(self, *words: str) -> str:
        """What a `rag` command prints."""
        command = [sys.executable, "-c", _code(words)]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout

    def runs(self) -> list[dg.DagsterRun]:
        """Every run, oldest first."""
        with dg.DagsterInstance.get() as instance:
            return list(reversed(instance.get_runs()))

    def run(self, run_id: str) -> dg.DagsterRun:
        return next(one for one in self.runs() if one.run_id == run_id)

    def promoted_by_schedule(self) -> dg.DagsterRun | None:
        """A nightly run that the schedule started, and that moved production."""
        good = dg.DagsterRunStatus.SUCCESS
        nightly = (one for one in self.runs() if one.tags.get("dagster/schedule_name") == f"{NIGHTLY}_schedule")
        return next((one for one in nightly if one.status == good and one.tags.get("rag/promoted") == "production"), None)

    def worker(self) -> tuple[str, int] | None:
        """Run and process of a run worker that has committed the first chunks."""
        locks = list(self.workspace.home.runs.glob("[!.]*.lock"))
        if locks and list(self.workspace.home.root.glob("lake/chunks/_delta_log/*.json")):
            return locks[0].stem, int(locks[0].read_text())
        return None

    def wait_for(self, what: Callable[[], Found | None], says: str) -> Found:
        """What becomes true, when it does; fails with the daemon's log when it does not."""
        until = time.monotonic() + _LONGEST_S
        while time.monotonic() < until:
            if found := what():
                return found
            assert self.process is None or self.process.poll() is None, f"the daemon ended: {self.log.read_text()}"
            time.sleep(0.05)
        told = "\n".join(f"{one.run_id} {one.job_name} {one.status} {dict(one.tags)}" for one in self.runs())
        raise AssertionError(f"{says} did not happen within {_LONGEST_S:.0f} s.\n{told}\n{self.log.read_text()[-5_000:]}")


def _started(command: list[str], environment: Mapping[str, str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, env=dict(environment), stdout=log, stderr=log, start_new_session=True)


def _code(words: tuple[str, ...]) -> str:
    return f"import sys; sys.argv = {['rag', *words]!r}; from rag_pipeline.cli import main; main()"
