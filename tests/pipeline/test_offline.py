"""Nothing is asked of the network, by us or by any dependency."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Workspace

WATCHED = """
import atexit, json, sys
asked = []
def watch(event, arguments):
    if event == "socket.getaddrinfo":
        asked.append(str(arguments[0]))
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        asked.append(str(arguments[1][0]))
sys.addaudithook(watch)
atexit.register(lambda: json.dump(asked, open(sys.argv.pop(), "w")))
from rag_pipeline.cli import main
report, sys.argv = sys.argv[1], ["rag", "refresh", "--json"]
try:
    main()
finally:
    sys.argv.append(report)
"""


def test_a_refresh_asks_no_other_machine_for_anything(handbook: Workspace, tmp_path: Path) -> None:
    report = tmp_path / "asked.json"
    command = [sys.executable, "-c", WATCHED, str(report)]
    done = subprocess.run(command, env=handbook.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["promoted"] is True
    strangers = [host for host in json.loads(report.read_text()) if host not in ("127.0.0.1", "localhost", "::1")]
    assert strangers == []


@pytest.mark.slow
def test_a_refresh_works_where_there_is_no_network_at_all(handbook: Workspace) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us make a network namespace (unshare -rn)")
    code = "import sys; sys.argv = ['rag', 'refresh', '--json']; from rag_pipeline.cli import main; main()"
    command = [unshare, "-rn", sys.executable, "-c", code]
    done = subprocess.run(command, env=handbook.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["promoted"] is True
