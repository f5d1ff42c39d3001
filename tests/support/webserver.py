"""A real dagster-webserver over a workspace, on a free port of this machine."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag_pipeline.defs.home import prepare_dagster_home
from tests.conftest import Workspace

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""The browser to look with; None where the machine has none."""

BROWSER_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def webserver(workspace: Workspace, **variables: str) -> Iterator[str]:
    """Its address, until the block ends. `variables`: on top of the workspace's environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = str(prepare_dagster_home(workspace.settings))
    environment = {**workspace.environment, "DAGSTER_HOME": home, **variables}
    command = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)]
    command += ["-m", "rag_pipeline.definitions"]
    with (workspace.root / "webserver.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, cwd=workspace.root, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/server_info", server, workspace.root / "webserver.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=120)


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(120):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=2)
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"the webserver did not come up: {log.read_text()}")
