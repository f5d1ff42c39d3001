"""kill -9 before and after sixty changes of objects that a night makes, each on a copy of the same home in a bucket.

Right after the kill production answers as before, or, if its channel had moved, as the undisturbed night does; the next
refresh needs no help, on the same machine or another one.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.pointer import PRODUCTION, read_channel
from rag_pipeline.index.manifest import all_manifests, damaged_files
from rag_pipeline.lake import collected
from tests.conftest import Workspace
from tests.support.bucket_handbook import answers
from tests.support.bucket_home import BucketHome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

ROOT = Path(__file__).resolve().parents[2]
FEWEST = 60


class Forks:
    """Refreshes in forks of one process."""

    def __init__(self, bucket: BucketHome, workspace: Workspace) -> None:
        self._bucket, self._workspace, self._log = bucket, workspace, bucket.folder / "forks.log"
        bucket.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.support.killed_in_bucket"]
        self._server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def refresh(self, uri: str, machine: str, *, kill_at: int = 0) -> tuple[int, dict[str, Any]]:
        """How the process ended, and what it told."""
        environment = self._bucket.environment(self._workspace, machine) | {"RAG_HOME": uri}
        job = {"environment": environment, "log": str(self._log), "kill_at": kill_at}
        assert self._server.stdin and self._server.stdout
        told = Path(f"{self._log}.json")
        told.unlink(missing_ok=True)
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline())
        return status, json.loads(told.read_text()) if told.exists() else {}

    def said(self) -> str:
        return self._log.read_text()[-3000:] if self._log.exists() else ""

    def close(self) -> None:
        self._server.kill()
        self._server.wait()


@pytest.fixture
def forks(bucket: BucketHome, handbook: Workspace) -> Iterator[Forks]:
    forked = Forks(bucket, handbook)
    try:
        yield forked
    finally:
        forked.close()


def test_a_night_killed_at_a_change_of_an_object_is_done_by_the_next_one(
    bucket: BucketHome, handbook: Workspace, forks: Forks
) -> None:
    status, told = forks.refresh(bucket.uri, "first")
    assert status == 0 and told["success"], (told, forks.said())
    snapshot = {key: bucket.objects.read(key) for key in bucket.there()}
    handbook.pages({"garden.md": "# Garden\n\nThe garden is behind the house. Its gate is open until nine.\n"})
    before, after = _on(bucket, "before", snapshot), _on(bucket, "after", snapshot)
    was = answers(before.of(handbook, "reader"))
    status, told = forks.refresh(after.uri, "undisturbed")
    assert status == 0 and told["success"], (told, forks.said())
    wanted = answers(after.of(handbook, "reader"))
    assert wanted != was
    moments = told["moments"]
    (bucket.folder / "moments").write_text("\n".join(moments))
    assert len(moments) >= FEWEST
    every = len(moments) // FEWEST
    for number, moment in list(enumerate(moments, start=1))[::every]:
        home = _on(bucket, f"killed-{number}", snapshot)
        status, _ = forks.refresh(home.uri, f"killed-{number}", kill_at=number)
        assert status == -signal.SIGKILL, (number, moment, status, forks.said())
        assert answers(home.of(handbook, f"reader-{number}")) in (was, wanted), moment
        status, told = forks.refresh(home.uri, f"killed-{number}" if number % 2 else f"other-{number}")
        assert status == 0 and told["success"], (number, moment, told, forks.said())
        reader = home.of(handbook, f"later-{number}")
        assert answers(reader) == wanted, moment
        for manifest in all_manifests(reader.home.releases):
            assert not damaged_files(reader.home.release(manifest.id), manifest), moment
        rows = collected(audit_table(reader.home).scan().select("sequence", "release"))
        channel = read_channel(reader.home, PRODUCTION)
        assert channel and sorted(rows["sequence"].to_list()) == [*range(1, channel.sequence + 1)], moment


def _on(bucket: BucketHome, name: str, snapshot: dict[str, Any]) -> BucketHome:
    """A copy of the home in the same bucket."""
    home = BucketHome(bucket.uri.replace("/home", f"/{name}"), bucket.store, bucket.server, bucket.locks, bucket.folder)
    for key, found in snapshot.items():
        home.objects.put(key, found.data)
    return home
