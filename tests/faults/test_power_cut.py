"""What a power cut leaves of tables: the last log entry empty, half, or zeros; and what a bad disk does to any file.

Shown through the commands: `rag refresh`, `rag query`, `rag verify`, `rag verify --repair`.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import Table, all_tables, collected
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES, QUESTIONS
from tests.support.command_line import as_json, rag
from tests.support.release_damage import cut_in_half, flip_a_bit

Rag = Callable[..., Any]


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


LOST = {"empty": emptied, "half": cut_in_half, "zeros": zeroed}


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A handbook released on two nights: two pages on the first, four more and another text of one on the second."""
    root = tmp_path_factory.mktemp("nights")
    with pytest.MonkeyPatch.context() as patch:
        workspace = Workspace(root)
        patch.setenv("DAGSTER_HOME", str(root / "dagster"))
        few = {name: PAGES[name] for name in ("leave.md", "travel.md")}
        workspace.contract("handbook", files_contract("../pages", **LENIENT))
        workspace.pages({**few, "leave.md": "# Leave\n\nNobody knows how many days of paid holiday there are.\n"})
        workspace.golden("questions", QUESTIONS)
        workspace.policy({"questions": {**FLOORS, "floors": {"nDCG@10": 0.1}, "dead_judgments_max_percent": 100}})
        from rag_pipeline.defs.run import refresh

        assert refresh(workspace.settings).success
        workspace.pages(PAGES)
        assert refresh(workspace.settings).success
    return root


@pytest.fixture
def line(two_nights: Path, workspace: Workspace, monkeypatch: Any, capsys: Any, caplog: Any) -> Rag:
    """`rag WORDS --json` on a copy of it: what it says as JSON, with its stderr and its log lines."""
    shutil.copytree(two_nights, workspace.root, dirs_exist_ok=True)
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))

    def run(*words: str, code: int | None = 0) -> Any:
        ended, out, err = rag(monkeypatch, capsys, *words, "--json")
        assert code is None or ended == code, (words, out, err)
        told = {"stderr": err, "log": caplog.text}
        return as_json(out) | told if out else told

    return run


def last_entry(table: Table) -> Path:
    return max((table.path / "_delta_log").glob("*.json"))


def content(home: Home) -> dict[str, Any]:
    """What the tables say of the documents, and every text that has a vector."""
    documents = source_tables(home, "handbook").documents.scan().select("document_id", "text").pipe(collected)
    chunks = chunks_table(home).scan().select("chunk_id", "text_hash").pipe(collected)
    hashes = vectors_table(home).scan().select("text_hash").pipe(collected)["text_hash"]
    return {
        "documents": sorted(documents.rows()),
        "chunks": sorted(chunks.rows()),
        "covered": set(chunks["text_hash"]) <= set(hashes),
    }


@pytest.mark.parametrize("how", ["empty", *(pytest.param(how, marks=pytest.mark.slow) for how in ("half", "zeros"))])
def test_a_lost_commit_of_documents_is_told_and_read_again(line: Rag, workspace: Workspace, how: str) -> None:
    """On b246836: `unchanged`, exit 0, two of six documents, for ever."""
    before = content(workspace.home)
    assert len(before["documents"]) == len(PAGES)
    table = source_tables(workspace.home, "handbook").documents
    lost = table.version()
    LOST[how](last_entry(table))
    assert f"{lost:020d}.json of its log" in line("status")["lost_commits"]["documents/handbook"]
    again = line("refresh")
    assert "lost a commit" in again["log"] and f"version {lost}" in again["log"]
    assert content(workspace.home) == before
    assert again["sources"][0]["documents"] == len(PAGES)
    assert line("query", "how many days of vacation do I get")["hits"][0]["document_id"] == "handbook/leave.md"
    assert all(one["intact"] for one in line("verify")["tables"].values())


def test_every_derived_table_that_lost_its_last_commit_heals_in_one_refresh(line: Rag, workspace: Workspace) -> None:
    before, healed = content(workspace.home), []
    for table in all_tables(workspace.home.lake):
        if table.path.name != "audit":
            emptied(last_entry(table))
            healed.append(table.path.relative_to(workspace.home.root).as_posix())
    found = line("verify", code=1)["tables"]
    assert {f"lake/{name}" for name, one in found.items() if not one["intact"]} == set(healed)
    again = line("refresh")
    assert all(f"the table {name} lost a commit" in again["log"] for name in healed)
    assert content(workspace.home) == before | {"covered": True}
    verified = line("verify")
    assert all(one["intact"] for one in (*verified["tables"].values(), *verified["releases"].values()))


def test_a_lost_row_of_the_audit_is_for_a_person_to_give_up(line: Rag, workspace: Workspace) -> None:
    table = audit_table(workspace.home)
    rows = table.scan().pipe(collected).height
    emptied(last_entry(table))
    workspace.pages({"new.md": "# New\n\nA page about the new car park behind the office.\n"})
    refused = line("refresh", code=1)
    assert any("the table lake/audit lost a commit" in error and "--repair" in error for error in refused["errors"])
    assert line("query", "when can I eat")["hits"][0]["document_id"] == "handbook/food/canteen.md", "production still serves"
    assert "is empty, as a power cut leaves a file" in str(line("verify", code=1)["tables"]["audit"]["problems"])
    [lost] = line("verify", "--repair")["tables"]["audit"]["lost"]
    assert "is lost, the table is version" in lost and "which wrote 1 rows" in lost
    assert line("refresh")["success"]
    assert table.scan().pipe(collected).height >= rows - 1


DAMAGE = {"empty": emptied, "half": cut_in_half, "flipped": lambda file: flip_a_bit(file, file.stat().st_size // 2)}
KINDS = ("documents/handbook", "quarantine/handbook", "listings/handbook", "loads/handbook", "chunks", "vectors", "audit")


@pytest.mark.parametrize("how", ["flipped", *(pytest.param(how, marks=pytest.mark.slow) for how in ("empty", "half"))])
def test_every_damaged_file_is_found_named_mended_and_derived_again(line: Rag, workspace: Workspace, how: str) -> None:
    before, damaged = content(workspace.home), {}
    for name in KINDS:
        table = Table(workspace.home.lake / name, None)
        if files := table.files():
            damaged[name] = max(files, key=lambda file: file.stat().st_mtime_ns)
            DAMAGE[how](damaged[name])
    assert len(damaged) >= len(KINDS) - 1, "a quarantine may hold nothing"
    found = line("verify", code=1)["tables"]
    assert {name for name, one in found.items() if not one["intact"]} == set(damaged)
    for name, file in damaged.items():
        assert file.name in str(found[name]["problems"])
    fixed = line("verify", "--repair")["tables"]
    assert {name: fixed[name]["lost"] for name in damaged if "lost" not in str(fixed[name]["lost"])} == {}
    assert line("refresh")["success"]
    assert content(workspace.home) == before
    assert all(one["intact"] for one in line("verify")["tables"].values())


def test_a_vector_that_changed_is_in_no_release_and_alone_embedded_again(line: Rag, workspace: Workspace) -> None:
    """Its file is whole, its numbers are not: a flip before it was written, or one that was joined with others since."""
    table = vectors_table(workspace.home)
    rows = table.scan().pipe(collected)
    vectors = np.array(rows["vector"].to_list(), dtype=np.float32)
    vectors[0, 3] *= -1  # the length stays 1
    table.overwrite(rows.with_columns(vector=pl.Series(vectors.tolist(), dtype=pl.List(pl.Float32))))
    workspace.pages({"new.md": "# New\n\nA page about the new car park behind the office.\n"})
    refused = line("refresh", code=1)
    assert any("1 stored vectors are not what was written" in error and "--repair" in error for error in refused["errors"])
    assert "1 rows that are not what was written" in str(line("verify", code=1)["tables"]["vectors"]["problems"])
    [lost] = line("verify", "--repair")["tables"]["vectors"]["lost"]
    assert f"its {rows.height} rows of " in lost
    assert f" are lost, but {rows.height - 1} that are what was written" in lost
    again = line("refresh")
    assert again["success"] and again["texts_embedded"] == 1
    assert all(one["intact"] for one in (*line("verify")["tables"].values(), *line("verify")["releases"].values()))


def test_a_file_that_takes_polars_down_is_one_sentence(line: Rag, workspace: Workspace) -> None:
    """On b246836 Polars panics: no `Exception`, so the run never ended."""
    [file, *_] = chunks_table(workspace.home).files()
    emptied(file)
    workspace.pages({"new.md": "# New\n\nA page about the new car park behind the office.\n"})
    says = line("refresh", code=1)
    assert any(
        f"the table lake/chunks cannot be read: {file.name} is empty" in error and "`rag verify --repair` fixes it" in error
        for error in says["errors"]
    )
    assert "Traceback" not in says["stderr"]
