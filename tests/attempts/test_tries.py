"""Settings tried on a real pipeline: what comes of it, and that nothing of it reaches what serves."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.attempts import figures
from rag_pipeline.attempts.run import try_settings
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.defs.run import collect
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.release.erase import erase
from tests.conftest import Workspace
from tests.support.command_line import as_json, pipeline, rag, refreshed

__all__ = ["pipeline", "refreshed"]

NOW = datetime(2026, 11, 29, 21, 0, tzinfo=UTC)


def bytes_of(home: Home) -> dict[str, str]:
    """Every file of a home but those of tries and locks, with its content and when it was written."""
    files = (path for path in home.root.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    mine = (path for path in files if home.tries not in path.parents and not path.name.startswith("try-"))
    return {
        home.name_of(path): f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}" for path in mine
    }


def texts_below(folder: Path) -> list[str]:
    """Files that could hold a document's text: all but vectors, marks and what came of tries."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return sorted(str(path) for path in files if "vectors" not in str(path) and path.name != ".rag-home.json")


def test_attempts_are_compared_on_the_same_questions_and_nothing_that_serves_is_touched(
    pipeline: Workspace, refreshed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_of(pipeline.home)
    code, out, err = rag(
        monkeypatch, capsys, "try", "--set", "RAG_CHUNK_MIN_TOKENS=0", "--set", "RAG_RETRIEVAL=lexical", "--json"
    )
    assert code == 0, err
    told = as_json(out)
    assert bytes_of(pipeline.home) == before, "production, the candidate, evidence and tables are as they were, to the byte"
    now, attempt = told["attempts"]
    assert (now["chunks"], now["texts"], now["embedded"]) == (3, 3, 0), "what has a vector is not embedded again"
    assert attempt["changed"] == {"RAG_CHUNK_MIN_TOKENS": "0", "RAG_RETRIEVAL": "lexical"}
    assert attempt["retrieves"] == "lexical" and attempt["size_bytes"] > 0 and attempt["p95_ms"] >= attempt["p50_ms"] > 0
    (mine,), (theirs,) = attempt["golden_sets"], now["golden_sets"]
    assert theirs["primary"]["difference"] is None
    found = mine["primary"]["difference"]
    assert found["mean"] == pytest.approx(mine["primary"]["value"] - theirs["primary"]["value"])
    assert found["lower"] <= found["mean"] <= found["upper"]
    page = Path(told["report"]).read_text(encoding="utf-8")
    assert "RAG_RETRIEVAL=lexical" in page and "thirty days" not in page
    assert texts_below(pipeline.home.workshop.root) == [], "no text is left"

    listed = as_json(rag(monkeypatch, capsys, "try", "--list", "--json")[1])["tries"]
    assert [one["id"] for one in listed] == [told["id"]]
    shown = as_json(rag(monkeypatch, capsys, "try", "--show", told["id"], "--json")[1])
    assert shown == told

    assert "work" in str(collect(pipeline.settings, dry_run=False)["tries"])
    assert not pipeline.home.workshop.root.exists()
    assert as_json(rag(monkeypatch, capsys, "try", "--show", told["id"], "--json")[1]) == told, "figures stay"


def test_a_text_that_a_try_embedded_is_not_embedded_by_the_next_and_an_attempt_that_fails_is_told(
    pipeline: Workspace, refreshed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"RAG_DOCUMENT_PROMPT": ["passage: "]}
    first = try_settings(pipeline.settings, values, run_id="one", now=NOW)
    assert [one.embedded for one in first.attempts] == [0, 3]
    second = try_settings(pipeline.settings, values, run_id="two", now=NOW)
    assert [one.embedded for one in second.attempts] == [0, 0]
    assert [one.golden_sets for one in first.attempts] == [one.golden_sets for one in second.attempts]
    assert figures.all_kept(pipeline.home)[0].id != figures.all_kept(pipeline.home)[1].id

    stored = pipeline.home.workshop.vectors
    for file in stored.rglob("*.parquet"):
        if "_delta_log" not in file.parts:
            file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(PipelineError, match="could not be measured"):
        try_settings(pipeline.settings, values, run_id="three", now=NOW)
    collect(pipeline.settings, dry_run=False)
    assert not try_settings(pipeline.settings, values, run_id="four", now=NOW).failed, "a collection mends it"


def test_without_a_refresh_a_golden_set_or_a_turn_it_says_what_is_missing(
    pipeline: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rag(monkeypatch, capsys, "contract", "check")[0] == 0
    values = {"RAG_CHUNK_TOKENS": ["100"]}
    with pytest.raises(PipelineError, match="run `rag refresh`"):
        try_settings(pipeline.settings, values, run_id="test", now=NOW)
    with pipeline.home.exclusive("tries", wait_s=0):
        assert not pipeline.home.workshop.root.exists()
    for folder in pipeline.settings.evals.iterdir():
        if folder.is_dir():
            folder.rename(pipeline.root / folder.name)
    with pytest.raises(PipelineError, match="no golden set"):
        try_settings(pipeline.settings, values, run_id="test", now=NOW)


def test_two_tries_do_not_work_at_the_same_time(pipeline: Workspace, refreshed: str) -> None:
    with pipeline.home.exclusive("tries", wait_s=0), pytest.raises(PipelineError, match="another process"):
        try_settings(pipeline.settings, {"RAG_CHUNK_TOKENS": ["100"]}, run_id="test", now=NOW)


@pytest.mark.slow
def test_a_try_that_was_killed_is_in_nobodys_way_and_what_it_left_goes(pipeline: Workspace, refreshed: str) -> None:
    before, work = bytes_of(pipeline.home), pipeline.home.workshop
    command = [sys.executable, "-m", "rag_pipeline.cli", "try", "--set", "RAG_CHUNK_MIN_TOKENS=0,5"]
    code = "from rag_pipeline.cli import main; import sys; sys.argv = ['rag', *sys.argv[1:]]; main()"
    for wait_for in (work.documents, work.chunks, work.releases):
        process = subprocess.Popen([sys.executable, "-c", code, *command[3:]], env=os.environ, cwd=pipeline.root)
        until = time.monotonic() + 120
        while not (wait_for.is_dir() and any(wait_for.iterdir())) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was killed, and did not end before"
        assert bytes_of(pipeline.home) == before
    assert chunks_table(work).exists, "it left something"
    tried = try_settings(pipeline.settings, {"RAG_CHUNK_MIN_TOKENS": ["0"]}, run_id="after", now=NOW)
    assert not tried.failed and texts_below(work.root) == []

    process = subprocess.Popen([sys.executable, "-c", code, *command[3:]], env=os.environ, cwd=pipeline.root)
    while not work.documents.is_dir():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert texts_below(work.root)
    erase(pipeline.home, ["handbook/leave.md"], run_id="test", now=NOW)
    assert not work.root.exists(), "who asks for erasure asks for that too"
    assert json.dumps(sorted(path.name for path in pipeline.home.tries.glob("*.json")))
