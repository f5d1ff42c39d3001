"""What is ours is told by exact names: those the pipeline gives are known, those that are only similar are not."""

import uuid
from collections import Counter
from pathlib import Path

import pytest

from rag_pipeline import ours
from rag_pipeline.corpus.model import model_of
from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.files import fingerprint
from rag_pipeline.golden import new_set
from rag_pipeline.home import Home
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.lake import all_tables
from rag_pipeline.ours import DATA_FILE, EXPORT, HALF_EXPORT, HALF_RELEASE, RELEASE, REPORT, SCRATCH, VIEW, VIEW_LOCK, Kind
from rag_pipeline.report.answers import PREFIX
from rag_pipeline.settings import Settings
from tests.support.small_releases import NOW, release_of

HEX = "0123456789abcdef" * 2
OTHERS: dict[str, tuple[Kind, list[str]]] = {
    "releases": (RELEASE, ["before-the-move", "20260101-020000-deadbee", "20260101-020000-deadbeef-copy", "2026", "x-y"]),
    "left by builds": (HALF_RELEASE, [".staging-mine", ".trash-", ".x-y", "20260101-020000-deadbeef", ".git-old"]),
    "graphs": (EXPORT, ["my-model", "all-MiniLM-L6-v2", HEX.upper(), HEX[:-1], f"{HEX}0"]),
    "left by exports": (HALF_EXPORT, [".staging-mine", f".staging-{HEX}.bak", ".cache-x"]),
    "views": (VIEW, ["notes", HEX, "42-left"]),
    "locks of views": (VIEW_LOCK, ["notes.lock", f"{HEX}.lock", ".lock"]),
    "scratch": (SCRATCH, ["My Folder", ".hidden", "ab"]),
    "reports": (REPORT, ["mine.html", "20260101-020000-deadbeef.txt", ".20260101-020000-deadbeef.html"]),
    "data files": (DATA_FILE, ["mine.parquet", "part-00000-c000.snappy.parquet", "part-0-a-c000.parquet", "notes.csv"]),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_called_otherwise_is_never_removed(tmp_path: Path, what: str) -> None:
    kind, names = OTHERS[what]
    for name in names:
        (tmp_path / name).mkdir()
        for mark in filter(None, (kind.mark, kind.lock)):
            (tmp_path / name / mark).write_text("{}")
        assert not kind.made(tmp_path / name)
        with pytest.raises(PipelineError, match="so it is not removed; move it elsewhere"):
            ours.remove(tmp_path / name, kind)
        assert (tmp_path / name).is_dir()
    assert ours.found(tmp_path, kind) == []


def test_the_names_the_pipeline_gives_are_known(home: Home, tmp_path: Path) -> None:
    manifest = release_of(home, {"a.md": "# A\n\nnumber one"}).manifest
    (tmp_path / "releases" / manifest.id / "chunks.parquet").chmod(0o644)
    (tmp_path / "releases" / manifest.id / "lexical" / "meta.json").unlink()
    twin = rebuild_release(home, manifest, run_id="run", now=NOW).manifest
    assert twin.id == f"{manifest.id}-2"
    for one in (manifest, twin):
        assert RELEASE.made(tmp_path / "releases" / one.id)
        assert REPORT.name.fullmatch(home.report(one.id).name)
        assert ours.ANSWERS_REPORT.name.fullmatch(home.report(one.id, PREFIX).name)
        for beginning in (ours.STAGING, ours.TRASH):
            assert HALF_RELEASE.name.fullmatch(beginning + one.id)
    for table in all_tables(tmp_path / "lake"):
        table.tidy(30)
        files = [path for path in table.path.rglob("*.parquet") if "_delta_log" not in path.parts]
        assert files and all(DATA_FILE.made(path) for path in files)
    assert EXPORT.name.fullmatch(model_of(Settings()).fingerprint)
    assert EXPORT.name.fullmatch(fingerprint("anything"))
    assert all(VIEW.name.fullmatch(uuid.uuid4().hex) for _ in range(100))


@pytest.mark.parametrize("what", ["mark", "lock"])
def test_a_name_alone_is_not_enough_where_there_is_a_mark_or_a_lock(tmp_path: Path, what: str) -> None:
    kind, name = (EXPORT, HEX) if what == "mark" else (VIEW, uuid.uuid4().hex)
    (tmp_path / name).mkdir()
    assert not kind.made(tmp_path / name)
    (tmp_path / name / kind.mark if what == "mark" else tmp_path / f"{name}{kind.lock}").write_text("{}")
    assert kind.made(tmp_path / name)
    ours.remove(tmp_path / name, kind)
    assert not (tmp_path / name).exists()


def test_a_link_is_never_ours(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / f".trash-{'20260101-020000-deadbeef'}").symlink_to(tmp_path / "precious")
    assert ours.found(tmp_path, HALF_RELEASE) == []
    (tmp_path / "linked").symlink_to(tmp_path / "precious")
    (tmp_path / "precious" / "documents.parquet").write_text("mine")
    ours.remove_files(tmp_path / "linked", ["documents.parquet"])
    assert (tmp_path / "precious" / "documents.parquet").is_file()


def test_only_the_files_that_are_named_go_and_the_folder_if_nothing_else_is_in_it(tmp_path: Path) -> None:
    for name in ("made/a", "made/in/b", "mixed/a", "mixed/mine"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    for folder in ("made", "mixed", "not there"):
        ours.remove_files(tmp_path / folder, ["a", "in/b", "gone"])
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["mixed", "mixed/mine"]


def test_a_hidden_folder_beside_a_golden_set_is_not_taken_for_a_killed_run(tmp_path: Path) -> None:
    made = new_set.NewSet(tmp_path / "first", (), 0, 0, Counter())
    hidden = tmp_path / ".first.new"
    hidden.mkdir()
    (hidden / "golden.yaml").write_text("left by a killed run")
    (hidden / "notes.txt").write_text("mine")
    with pytest.raises(GoldenSetError, match="is in the way and holds other files than a golden set's"):
        new_set._write(made, "docs@example.com", None, 0)
    assert (hidden / "notes.txt").is_file()
