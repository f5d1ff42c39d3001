"""A stranger's drill: one home, one accident after the other, and at the end it answers right and its status is all true."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES, QUESTIONS
from tests.support.dagster_daemon import Night
from tests.support.lost_commits import empty_last_commit
from tests.support.small_disk import fill, free

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

DISK = "size=400m"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of one's own, mounted for real."""
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "drill", where], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield where
    subprocess.run(["umount", "--lazy", where], check=True)


@pytest.fixture
def night(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """The handbook, with Dagster's own state, on that disk; nothing is left running."""
    monkeypatch.setenv("DAGSTER_HOME", str(disk / "dagster"))
    workspace = Workspace(disk)
    workspace.contract("handbook", files_contract(workspace.pages(PAGES), **LENIENT))
    workspace.golden("questions", QUESTIONS)
    workspace.policy({"questions": FLOORS})
    night = Night(workspace)
    yield night
    night.kill()


def assert_answers(night: Night) -> None:
    for question, (document,) in QUESTIONS.items():
        answer = night.tried("query", question, "--json")
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["hits"][0]["document_id"] == document


def assert_refreshes(night: Night, **environment: str) -> dict[str, object]:
    done = night.tried("refresh", "--json", **environment)
    assert done.returncode == 0, done.stderr + done.stdout
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_a_home_that_went_through_everything_answers_right_and_says_so(night: Night, tmp_path: Path) -> None:
    home = night.workspace.home
    assert_refreshes(night)

    # A power cut: what nobody fsynced is empty. The second night changed a page, so that every table has a last commit.
    night.workspace.pages({"leave.md": PAGES["leave.md"] + "\nAsk early in summer.\n"})
    assert_refreshes(night)
    for table in ("documents/handbook", "listings/handbook", "loads/handbook", "chunks", "vectors"):
        empty_last_commit(home.lake / table)
    told = night.tried("status", "--json")
    assert json.loads(told.stdout)["lost_commits"]
    assert_answers(night)
    assert_refreshes(night)

    # Killed through the daemon, at work on a night on which a page changed: the next tick runs and promotes.
    night.workspace.pages({"travel.md": PAGES["travel.md"] + "\nKeep the receipts.\n"})
    night.start()
    dead, process = night.wait_for(night.worker, "a run of the schedule")
    os.kill(process, signal.SIGKILL)
    night.wait_for(lambda: night.run(dead).is_failure, "marking the dead run failed")
    later = night.wait_for(night.promoted_by_schedule, "a promotion by the schedule")
    assert later.run_id != dead
    night.kill()
    assert_refreshes(night)

    # A wrong clock: one load a year ahead.
    contract = read_contract(night.workspace.root / "contracts" / "handbook.odcs.yaml")
    load_source(contract, home, run_id="ahead", now=datetime.now(UTC) + timedelta(days=365))
    assert_refreshes(night)

    # A wrong folder: somebody else's is not written to.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("three years of work")
    wrong = night.tried("refresh", RAG_HOME=str(elsewhere))
    assert wrong.returncode == 1
    assert "is not a pipeline's home" in wrong.stderr
    assert [path.name for path in elsewhere.iterdir()] == ["thesis.txt"]

    # A full disk: nothing is promoted, production answers on.
    night.workspace.pages({"it/printers.md": PAGES["it/printers.md"] + "\nPaper is on the shelf.\n"})
    fill(night.workspace.root, 1_000_000)
    full = night.tried("refresh")
    assert full.returncode == 1
    assert "no space left" in full.stderr.lower()
    assert_answers(night)
    free(night.workspace.root)

    done = assert_refreshes(night)
    assert done["promoted"]
    assert_answers(night)
    verified = night.tried("verify", "--json")
    assert verified.returncode == 0, verified.stdout
    status = json.loads(night.tried("status", "--json").stdout)
    assert status["candidate"]["verdict"] == "passed"
    assert status["channels"]["production"]["release"] == status["candidate"]["release"]
    nothing = ("damaged", "damaged_channels", "unfinished_channels", "lost_commits", "clock_doubt", "runs")
    assert {name: status[name] for name in nothing if status[name]} == {}
    (source,) = status["sources"]
    assert source["within_sla"]
    assert source["documents"] == len(PAGES)
    assert source["outcome"] != "held"
