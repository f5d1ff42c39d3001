"""The processes of `deploy/` without containers: commands and health checks of compose.yaml, over a database of the tests.

Only what a container gives is put in their place: addresses, ports and paths.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import yaml

from rag_pipeline.settings import PROJECT
from tests.support.postgres_server import ADMIN, PASSWORD, Postgres

DEPLOY = PROJECT / "deploy"
SERVICES = ("code", "webserver", "daemon", "reports")
"""In the order in which each needs the one before."""

Found = TypeVar("Found")

_LONGEST_S = 420.0


def compose() -> dict[str, Any]:
    """compose.yaml, with its anchors resolved."""
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return content


@dataclass
class Deployed:
    """A project of `rag init` in `root/project`, and the four processes over it."""

    root: Path
    postgres: Postgres
    settings: Mapping[str, str]
    """Variables on top of those of compose.yaml."""
    started: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ports = {name: _free_port() for name in ("4000", "3000", "3001")}
        (self.root / "dagster").mkdir()
        shutil.copy(DEPLOY / "dagster.yaml", self.root / "dagster")
        workspace = (DEPLOY / "workspace.yaml").read_text(encoding="utf-8")
        workspace = workspace.replace("host: code", "host: 127.0.0.1").replace("port: 4000", f"port: {self.ports['4000']}")
        (self.root / "workspace.yaml").write_text(workspace, encoding="utf-8")
        with self.postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE IF EXISTS dagster WITH (FORCE)")
            connection.execute("CREATE DATABASE dagster")

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def environment(self) -> dict[str, str]:
        """That of a container, with this machine's paths and ports."""
        ours = {
            **{name: str(value) for name, value in compose()["services"]["code"]["environment"].items()},
            "RAG_HOME": str(self.root / "home"),
            "RAG_CONTRACTS": str(self.project / "contracts"),
            "RAG_EVALS": str(self.project / "evals"),
            "RAG_REPORTS_URL": f"http://127.0.0.1:{self.ports['3001']}",
            "DAGSTER_HOME": str(self.root / "dagster"),
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(self.postgres.port),
            "DAGSTER_POSTGRES_USER": ADMIN,
            "DAGSTER_POSTGRES_PASSWORD": PASSWORD,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "DAGSTER_"))}
        return {**outside, **ours, **self.settings}

    def start(self) -> None:
        """Each process, and then its health check until it is content, as `depends_on` has it."""
        for name in SERVICES:
            service = compose()["services"][name]
            with self.log(name).open("ab") as log:
                self.started[name] = subprocess.Popen(
                    self._here(service["command"]),
                    cwd=self.root,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.wait_for(lambda name=name: self.healthy(name), f"a healthy {name}")  # type: ignore[misc]

    def healthy(self, name: str) -> bool:
        """What the health check of a service says."""
        kind, *command = compose()["services"][name]["healthcheck"]["test"]
        assert kind == "CMD"
        return subprocess.run(self._here(command), env=self.environment, capture_output=True, check=False).returncode == 0

    def rag(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command, as `docker compose exec code rag …` runs it."""
        command = [str(Path(sys.executable).with_name("rag")), *words]
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )

    def log(self, name: str) -> Path:
        return self.root / f"{name}.log"

    def wait_for(self, what: Callable[[], Found | None], says: str) -> Found:
        """What becomes true, when it does; fails with the logs when it does not."""
        until = time.monotonic() + _LONGEST_S
        while time.monotonic() < until:
            if found := what():
                return found
            dead = [name for name, process in self.started.items() if process.poll() is not None]
            assert not dead, f"{dead} ended: {self.log(dead[0]).read_text()[-4_000:]}"
            time.sleep(0.5)
        told = "\n".join(f"== {name}\n{self.log(name).read_text()[-3_000:]}" for name in self.started)
        raise AssertionError(f"{says} was not there within {_LONGEST_S:.0f} s.\n{told}")

    def stop(self) -> None:
        """Whatever was started, and what hangs on it."""
        for process in self.started.values():
            below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            for one in [process, *below]:
                with suppress(ProcessLookupError, psutil.NoSuchProcess):
                    os.kill(one.pid, signal.SIGKILL)
            process.wait()
            psutil.wait_procs(below, timeout=30)

    def _here(self, command: list[str]) -> list[str]:
        """A command of compose.yaml on this machine: loopback, free ports, this test's workspace, this Python."""
        words = [str(word).replace("0.0.0.0", "127.0.0.1") for word in command]
        words = [word.replace("/etc/rag/workspace.yaml", str(self.root / "workspace.yaml")) for word in words]
        words = [re.sub(r"\b(4000|3000|3001)\b", lambda port: str(self.ports[port[1]]), word) for word in words]
        program = Path(sys.executable).with_name(words[0])
        return [str(program if program.exists() else words[0]), *words[1:]]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
