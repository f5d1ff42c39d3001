"""`rag contract new`: what it writes, prints and refuses."""

import csv
import json
import logging
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.connectors.files.server import FilesServer
from rag_pipeline.connectors.sql.server import SqlServer
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.tables import source_tables
from tests.conftest import Workspace
from tests.support.command_line import PAGES, Line, as_json
from tests.support.feeds import server_of


@pytest.fixture
def line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))
    monkeypatch.chdir(workspace.root)
    return Line(workspace.home, monkeypatch, capsys)


def people(root: Path) -> Path:
    path = root / "People.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "name", "email", "bio", "team"])
        for number in range(60):
            bio = f"Person {number} studies owls at night; write to ada{number}@gmail.com about it."
            writer.writerow([number, f"Ada Lovelace {number}", f"ada{number}@gmail.com", bio, ("night", "day")[number % 2]])
    return path


def test_a_draft_is_written_told_and_taken_by_what_comes_next(line: Line, workspace: Workspace) -> None:
    workspace.pages(PAGES, "our pages")
    code, out, err = line("contract", "new", "our pages", "--owner", "Docs")
    assert (code, err) == (0, "")
    file = workspace.root / "contracts/our_pages.odcs.yaml"
    assert f"{file} is drafted from 3 documents (all that are there)." in out
    assert "To decide (TODO in the file):" in out
    assert f"  rag contract check {file}\n  rag refresh --source our_pages\n" in out
    contract = read_contract(file)
    assert contract.owners == ("team:docs",)
    assert server_of(contract, FilesServer).path == workspace.root / "our pages"
    assert line("contract", "check", str(file))[0] == 0
    report = load_source(contract, workspace.home, run_id="first", now=datetime.now(UTC))
    assert (report.outcome, report.documents) == ("accepted", len(PAGES))
    stored = source_tables(workspace.home, "our_pages").documents.scan().collect()
    assert {row["key"]: row["uri"] for row in stored.to_dicts()} == {
        page: (workspace.root / "our pages" / page).as_uri() for page in PAGES
    }


def test_nothing_private_that_was_seen_is_printed_or_written(line: Line, workspace: Workspace) -> None:
    code, out, err = line("contract", "new", str(people(workspace.root)))
    assert code == 0
    told = out + err + (workspace.root / "contracts/people.odcs.yaml").read_text(encoding="utf-8")
    assert ["email", "string", "yes", "drop"] in [row.split() for row in out.splitlines()]
    assert "60 EMAIL_ADDRESS in 60 of 60 rows" in out
    assert "gmail" not in told and "Lovelace" not in told
    assert "night" in told, "what is not private is"


def test_scripts_are_told_in_one_object(line: Line, workspace: Workspace) -> None:
    told = line.json("contract", "new", str(people(workspace.root)), "--source", "staff")
    assert set(told) == {"source", "file", "looked_at", "columns", "would_refuse", "decide", "next"}
    assert told["source"] == "staff"
    assert told["file"] == str(workspace.root / "contracts/staff.odcs.yaml")
    assert told["looked_at"] == {"rows": 60, "unreadable": 0, "whole": True, "says": "60 rows (all there are)"}
    columns = {one["name"]: (one["type"], one["role"], one["required"], one["privacy"]) for one in told["columns"]}
    assert columns == {
        "id": ("integer", "key", True, None),
        "bio": ("string", "text", True, None),
        "name": ("string", "title", True, "scan-and-mask"),
        "email": ("string", None, True, "drop"),
        "team": ("string", None, True, None),
    }
    assert told["would_refuse"] == 0
    assert told["next"][1] == "rag refresh --source staff"


def test_a_database_and_an_output_of_ones_own(line: Line, workspace: Workspace) -> None:
    with closing(sqlite3.connect(workspace.root / "wiki.db")) as connection, connection:
        connection.execute("CREATE TABLE notes (a TEXT, b TEXT, text TEXT, seen_at TEXT)")
        rows = [(f"a{n // 5}", f"b{n % 5}", f"Note {n} about owls.", f"2026-01-{n + 1:02}") for n in range(20)]
        connection.executemany("INSERT INTO notes VALUES (?, ?, ?, ?)", rows)
    output = workspace.root / "drafts/notes.odcs.yaml"
    words = (
        "contract",
        "new",
        "sqlite:///wiki.db",
        "--cursor",
        "seen_at",
        "--output",
        str(output),
        "--key",
        "a",
        "--key",
        "b",
    )
    assert line.json(*words, "--table", "notes")["file"] == str(output)
    contract = read_contract(output)
    assert [column.name for column in contract.keys] == ["a", "b"]
    server = server_of(contract, SqlServer)
    assert (server.table, server.cursor) == ("notes", "seen_at")
    assert line.json(*words, "--query", "SELECT * FROM notes", "--force")["source"] == "notes"
    assert server_of(read_contract(output), SqlServer).query == "SELECT * FROM notes"


def test_a_contract_that_is_there_is_replaced_only_when_told_so(line: Line, workspace: Workspace) -> None:
    workspace.pages(PAGES)
    file = workspace.contract("pages", {"mine": True})
    assert "pages.odcs.yaml already exists" in line.refused("contract", "new", "pages")
    assert file.read_text(encoding="utf-8") == "mine: true\n"
    assert line("contract", "new", "pages", "--force")[0] == 0
    assert read_contract(file).id == "pages"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere",), "nowhere: no such file or folder"),
        (("pages", "--source", "A"), "use 3 to 63 lower-case letters"),
        (("pages", "--output", "x.yaml"), "a contract's file is named <source>.odcs.yaml"),
        (("pages", "--table", "x"), "--table, --query and --cursor are for databases"),
        (("pages", "other"), "Put it in quotes"),
        (("https://x:y@example.com/sitemap.xml",), "holds no credentials"),
        (("twice.jsonl",), "no column can be the key: none is short, present in every row and different in every row"),
        (("numbers.jsonl",), "no column can be the text that is searched"),
        (("broken.jsonl",), "none of the 1 looked at can be read; the first: holds one JSON object over"),
    ],
)
def test_what_cannot_be_drafted_is_said_in_one_paragraph(
    line: Line, workspace: Workspace, words: tuple[str, ...], says: str
) -> None:
    workspace.pages(PAGES)
    files: dict[str, list[dict[str, Any]]] = {
        "twice": [{"a": 1, "text": "Owls hunt."}] * 3,
        "numbers": [{"id": number, "size": 2 * number} for number in range(3)],
    }
    for name, rows in files.items():
        (workspace.root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (workspace.root / "broken.jsonl").write_text("{\n", encoding="utf-8")
    assert says in line.refused("contract", "new", *words)
    assert not (workspace.root / "contracts").exists()


def test_its_progress_lines_end_with_it(line: Line, workspace: Workspace) -> None:
    workspace.pages(PAGES)
    before = list(logging.getLogger("rag_pipeline").handlers)
    assert line("contract", "new", "pages")[0] == 0
    assert "no such file" in line.refused("contract", "new", "nowhere")
    assert logging.getLogger("rag_pipeline").handlers == before


def test_one_object_is_all_that_is_on_stdout(line: Line, workspace: Workspace) -> None:
    workspace.pages(PAGES)
    code, out, _ = line("contract", "new", "pages", "--json")
    assert code == 0
    assert as_json(out)["source"] == "pages"
