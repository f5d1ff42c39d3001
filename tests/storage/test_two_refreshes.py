"""Two refreshes of two machines at once, as processes: one waits for the other; a lost lock lets at most one promote."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.pointer import PRODUCTION, read_channel
from rag_pipeline.index.manifest import all_manifests, damaged_files
from rag_pipeline.lake import collected
from tests.conftest import Workspace
from tests.support.bucket_handbook import answers
from tests.support.bucket_home import BucketHome, on_each_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

RAG = Path(sys.executable).with_name("rag")
MACHINES = ("one", "two")


def start(bucket: BucketHome, workspace: Workspace, machine: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(RAG), "refresh", "--json"],
        env=bucket.environment(workspace, machine),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def page(number: int) -> dict[str, str]:
    return {f"room-{number}.md": f"# Room {number}\n\nRoom {number} is on floor {number}. It seats {number + 3} people.\n"}


def whole(bucket: BucketHome, workspace: Workspace, name: str) -> list[int]:
    """Whoever comes anew finds every release whole and the channel where its audit says; the numbers of its moves."""
    reader = bucket.of(workspace, name)
    for manifest in all_manifests(reader.home.releases):
        assert not damaged_files(reader.home.release(manifest.id), manifest, deep=True)
    moves = collected(audit_table(reader.home).scan()).filter(action="promoted").sort("sequence")
    channel = read_channel(reader.home, PRODUCTION)
    if channel is None:
        assert moves.is_empty()
        return []
    assert moves["release"].to_list()[-1] == channel.release
    assert answers(reader)
    return [int(one) for one in moves["sequence"].to_list()]


@on_each_store
@pytest.mark.parametrize("times", [10])
def test_one_waits_for_the_other(bucket: BucketHome, handbook: Workspace, times: int) -> None:
    for number in range(times):
        handbook.pages(page(number))
        running = [start(bucket, handbook, machine) for machine in MACHINES]
        ended = [process.communicate(timeout=900) for process in running]
        told: list[dict[str, Any]] = [json.loads(out) for out, _ in ended]
        assert [process.returncode for process in running] == [0, 0], ended
        assert len({one["production"] for one in told}) == 1, "the second found the work done"
        assert sorted(one["texts_embedded"] for one in told)[0] == 0
        moves = whole(bucket, handbook, f"reader-{number}")
        assert moves == list(range(1, number + 2)), "each night one of them promoted"


@on_each_store
def test_with_the_locks_taken_away_at_most_one_promotes_and_nothing_is_half(bucket: BucketHome, handbook: Workspace) -> None:
    said = []
    for number in range(3):
        handbook.pages(page(number))
        running = [start(bucket, handbook, machine) for machine in MACHINES]
        while all(process.poll() is None for process in running):
            bucket.end_locks()
            time.sleep(1.0 + number)
        ended = [process.communicate(timeout=900) for process in running]
        said += [f"{process.returncode} {out}{err}" for process, (out, err) in zip(running, ended, strict=True)]
        moves = whole(bucket, handbook, f"reader-{number}")
        assert moves == list(range(1, len(moves) + 1))
    assert any("was lost" in one or "by another machine meanwhile" in one for one in said), said
    quiet = start(bucket, handbook, "one")
    out, err = quiet.communicate(timeout=900)
    assert quiet.returncode == 0, (out, err)
    assert whole(bucket, handbook, "last")
