"""`rag gc` removes only what the pipeline made, and `--dry-run` names every file of it."""

import os
import shutil
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, all_manifests
from tests.conftest import Workspace, files_contract
from tests.support.command_line import PAGES, as_json, rag
from tests.support.index_pages import DIED_WITH_A_VIEW
from tests.support.old_versions import grow_older
from tests.support.small_releases import NOW, release_of

Patch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]

A_MODEL = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def four_days(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of four releases, a day apart, that nobody changes: to be copied."""
    home = Home(tmp_path_factory.mktemp("days"))
    for day in range(4):
        pages = {"stays.md": "# Stays\n\nthis page stays", "today.md": f"# Today\n\nnews of day {day}"}
        release_of(home, pages, now=NOW + timedelta(days=day))
    grow_older(home, 35)
    return home


@pytest.fixture
def home(four_days: Home, workspace: Workspace, monkeypatch: Patch) -> Home:
    workspace.contract("handbook", files_contract(workspace.pages(PAGES)))
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))
    monkeypatch.setenv("RAG_KEEP_RELEASES", "1")
    shutil.copytree(four_days.root, workspace.home.root)
    return workspace.home


def put(path: Path, text: str = "somebody's own") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def oldest_first(home: Home) -> list[Manifest]:
    return all_manifests(home.releases)[::-1]


def everything(home: Home) -> set[str]:
    """Every file and link below a home, Dagster's own and locks apart."""
    every = (path for path in home.root.rglob("*") if path.is_symlink() or not path.is_dir())
    found = {path.relative_to(home.root).as_posix() for path in every}
    return {name for name in found if not name.endswith(".lock")}


def somebodys_own(home: Home, elsewhere: Path) -> set[str]:
    """What a person may have put below a home, near whatever is removed from it."""
    first, second, *_ = oldest_first(home)
    put(home.models / "my-model" / "config.json")
    put(home.models / A_MODEL / "config.json")
    put(home.models / ".staging-mine" / "config.json")
    put(home.views / "notes.txt")
    put(home.views / "a folder" / "notes.txt")
    put(home.views / uuid.uuid4().hex / "notes.txt")
    put(home.release(".my-notes") / "notes.txt")
    put(home.release(".trash-mine") / "notes.txt")
    put(home.release("my-notes") / "notes.txt")
    shutil.copytree(home.release(first.id), home.release("before-the-move"))
    put(home.release(second.id) / "chroma" / "notes.txt")
    put(home.scratch / "handbook" / "mine.csv")
    put(home.scratch / "My Folder" / "documents.parquet")
    put(home.reports / "mine.html")
    put(home.chunks / "notes.txt")
    put(home.chunks / "source=handbook" / "mine.parquet")
    put(home.chunks / "part-00000-mine-c000.parquet")
    put(home.chunks / "_delta_log" / "notes.txt")
    put(home.lake / "notes" / "notes.txt")
    put(home.evidence / "notes.txt")
    put(elsewhere / "precious.txt")
    home.release(".trash-20260101-000000-deadbeef").symlink_to(elsewhere)
    (home.models / f".staging-{A_MODEL}").symlink_to(elsewhere)
    for path in home.root.rglob("*"):
        if (path.is_file() and "mine" in path.name) or "notes" in path.name:
            os.utime(path, (0, 0))  # older than any version of a table
    kept = {"notes.txt", "mine.csv", "mine.html", "mine.parquet", "config.json", "part-00000-mine-c000.parquet"}
    names = everything(home)
    own = {name for name in names if Path(name).name in kept or "before-the-move" in name or "My Folder" in name}
    return own | {"releases/.trash-20260101-000000-deadbeef", f"models/.staging-{A_MODEL}"}


def left_by_the_killed(home: Home) -> None:
    first, *_ = oldest_first(home)
    put(home.release(".staging-20260101-000000-deadbee1") / "chroma" / "chroma.sqlite3")
    put(home.release(".trash-20260101-000000-deadbee2-2") / "manifest.json")
    put(home.models / f".staging-{'e' * 32}" / "graph.onnx")
    put(home.models / ("f" * 32) / "export.json", "{}")
    put(home.models / ("f" * 32) / "graph.onnx")
    put(home.scratch / "handbook" / "documents.parquet")
    put(home.scratch / "gone" / "quarantine.parquet")
    put(home.report(first.id))
    put(home.reports / "20260101-000000-deadbee2-2.html")
    view = home.views / uuid.uuid4().hex
    subprocess.run([sys.executable, "-c", DIED_WITH_A_VIEW, str(view)], check=True)
    put(view / "chroma.sqlite3")


def named(told: dict[str, Any], before: set[str]) -> set[str]:
    """Every file that a collection names, with those of the folders it names."""
    folders = [f"releases/{name}/" for name in (*told["removed"], *told["leftovers"])]
    folders += [f"models/{name}/" for name in told["exports"]] + [f"{name}/" for name in told["views"]]
    inside = {name for name in before for folder in folders if name.startswith(folder)}
    return inside | {*told["scratch"], *told["reports"], *told["files"]}


def test_a_collection_leaves_everything_that_is_not_the_pipelines(
    home: Home, tmp_path: Path, monkeypatch: Patch, capsys: Capture
) -> None:
    own = somebodys_own(home, tmp_path / "elsewhere")
    left_by_the_killed(home)
    code, out, err = rag(monkeypatch, capsys, "gc", "--json")
    assert code == 0, err
    assert as_json(out)["removed"], "it had something to do"
    assert own - everything(home) == set()
    assert (tmp_path / "elsewhere" / "precious.txt").is_file()
    assert "holds files that are not the pipeline's: chroma/notes.txt" in str(as_json(out)["kept"])


def test_a_dry_run_names_every_file_that_a_collection_removes(
    home: Home, tmp_path: Path, monkeypatch: Patch, capsys: Capture
) -> None:
    somebodys_own(home, tmp_path / "elsewhere")
    left_by_the_killed(home)
    code, out, err = rag(monkeypatch, capsys, "gc", "--dry-run", "--json")
    assert code == 0, err
    told, before = as_json(out), everything(home)
    for kind in ("removed", "leftovers", "exports", "views", "scratch", "reports", "files"):
        assert told[kind], f"the test leaves {kind} to be removed"
    assert any("_delta_log" in name for name in told["files"]), "entries of the logs are told too"
    assert told["table_files"] == len(told["files"])
    code, out, err = rag(monkeypatch, capsys, "gc", "--json")
    assert code == 0, err
    gone = before - everything(home)
    assert gone == named(told, before)
    assert gone == named(as_json(out), before)
    code, out, _ = rag(monkeypatch, capsys, "gc", "--dry-run", "--json")
    assert named(as_json(out), everything(home)) == set(), "nothing is left to be removed"


def test_a_dry_run_changes_nothing_and_tells_people_each_name(home: Home, monkeypatch: Patch, capsys: Capture) -> None:
    left_by_the_killed(home)
    before = everything(home)
    code, out, err = rag(monkeypatch, capsys, "gc", "--dry-run")
    assert code == 0, err
    assert everything(home) >= before
    for name in (".staging-20260101-000000-deadbee1", f".staging-{'e' * 32}", "scratch/gone/quarantine.parquet"):
        assert name in out
    assert "lake/chunks/_delta_log/00000000000000000000.json" in out.replace("\n", "")
    told = {line.split()[1]: line.split("  ")[-1] for line in out.splitlines() if line.startswith("  • ")}
    assert told["scratch/gone/quarantine.parquet"] == "of a load, or an embedding, that was killed"
    assert all(says for says in told.values()), "each name is told with what it is"
