"""kill -9 in the middle of a refresh: production answers on, and the next refresh needs no help."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.defs.run import Ran
from tests.conftest import Workspace
from tests.pipeline.conftest import PAGES

REFRESH = "import sys; sys.argv = ['rag', 'refresh', '--json']; from rag_pipeline.cli import main; main()"

MOMENTS = {
    "while a source is read": "scratch/handbook/documents.parquet",
    "after the documents were committed": "lake/documents/handbook/_delta_log/*.json",
    "after the chunks were committed": "lake/chunks/_delta_log/*.json",
    "after the vectors were committed": "lake/vectors/_delta_log/*.json",
    "while the release is built": "releases/.staging-*/chroma",
    "while the release is proved": "views/*/chroma.sqlite3",
    "after the candidate was named": "candidate.json",
}


def kill_when(handbook: Workspace, pattern: str) -> bool:
    """Start a refresh in a process of its own and kill it the moment a new file matches; False if it ended before."""
    before = {path: path.stat().st_mtime_ns for path in handbook.home.root.glob(pattern)}
    process = subprocess.Popen(
        [sys.executable, "-c", REFRESH],
        env=handbook.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None:
        for path in handbook.home.root.glob(pattern):
            try:
                changed = before.get(path) != path.stat().st_mtime_ns
            except FileNotFoundError:
                continue
            if changed:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return True
        time.sleep(0.001)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_refresh_killed_at_any_moment_loses_nothing(
    handbook: Workspace, begin: Callable[..., Ran], run: Callable[..., Ran], ask: Callable[[str], list[str]], moment: str
) -> None:
    first = begin()
    answer = ask("where do I keep my passwords")
    changed = {"travel.md": "# Travel\n\nBook trains in first class on Fridays, flights never.\n"}
    handbook.pages(changed)
    assert kill_when(handbook, MOMENTS[moment]), f"the refresh ended before it could be killed {moment}"
    assert serving(handbook.home) == first.assets["index/production"]["release"]
    assert ask("where do I keep my passwords") == answer
    again = run()
    assert again.success, again.errors
    assert again.assets["index/production"]["release"] != first.assets["index/production"]["release"]
    assert vectors_table(handbook.home).scan().collect().height == len(PAGES) + 1, "a text was embedded twice"
    assert not list(handbook.home.releases.glob(".staging-*"))


@pytest.mark.slow
def test_of_two_refreshes_at_once_neither_tears_anything(handbook: Workspace, ask: Callable[[str], list[str]]) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", REFRESH], env=handbook.environment, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    assert vectors_table(handbook.home).scan().collect().height == len(PAGES)
    assert ask("where do I keep my passwords")[0] == "handbook/security/passwords.md"
