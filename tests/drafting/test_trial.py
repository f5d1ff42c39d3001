"""`rag contract check --data`: what a load would say of a source, before anything is stored."""

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.drafting.trial import Trial, try_contract
from tests.conftest import Workspace, column, files_contract, table_contract
from tests.support.command_line import rag

ROWS = [{"id": f"row-{number}", "text": f"A text of some length, number {number}."} for number in range(40)]


def lines(workspace: Workspace, rows: list[dict[str, Any]]) -> Path:
    feed = workspace.root / "rows.jsonl"
    feed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return feed


def tried(workspace: Workspace, content: dict[str, Any], *, everything: bool = False) -> Trial:
    found = try_contract(read_contract(workspace.contract("table", content)), everything=everything)
    assert not workspace.home.root.exists(), "nothing is stored"
    return found


@pytest.mark.parametrize("everything", [False, True])
def test_a_contract_that_fits_its_data(workspace: Workspace, everything: bool) -> None:
    found = tried(workspace, table_contract(lines(workspace, ROWS), "jsonl"), everything=everything)
    assert (found.fits, found.rows, found.whole, found.refused_rows) == (True, 40, True, 0)


@pytest.mark.parametrize("everything", [False, True])
def test_rows_that_would_be_refused_are_counted_by_reason(workspace: Workspace, everything: bool) -> None:
    bad = [*ROWS, {"id": "", "text": "x"}, {"id": "b", "text": " "}, {"id": "c"}, ROWS[0]]
    found = tried(workspace, table_contract(lines(workspace, bad), "jsonl"), everything=everything)
    assert found.refused == {"text is missing or blank": 2, "id is missing or blank": 1}
    assert (found.refused_rows, found.repeated_keys, found.fits) == (3, 1, True)
    few = {"customProperties": [{"property": "quarantineMaxPercent", "value": 1}]}
    (problem,) = tried(workspace, table_contract(lines(workspace, bad), "jsonl", **few), everything=everything).problems
    assert problem.startswith("3 of 44 rows would be refused, more than quarantineMaxPercent 1 allows")


def test_all_of_a_large_table_is_read_in_pieces(workspace: Workspace) -> None:
    rows = [{"id": f"row-{number}", "text": "one" if number != 4_500 else ""} for number in range(5_000)] + [ROWS[0]]
    feed = table_contract(lines(workspace, rows), "jsonl")
    assert tried(workspace, feed, everything=True).refused == {"text is missing or blank": 1}
    assert tried(workspace, feed, everything=True).repeated_keys == 1
    sampled = tried(workspace, feed)
    assert (sampled.rows, sampled.whole, sampled.refused) == (2_000, False, {})


def test_a_column_no_file_has_is_named_with_the_one_that_was_meant(workspace: Workspace) -> None:
    feed = workspace.root / "rows.csv"
    with feed.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "txet", "topic"], ["1", "some text", "a"]])
    found = tried(workspace, table_contract(feed, "csv", column("topics"), column("price")))
    assert found.missing_columns == ("text", "topics", "price")
    assert found.unknown_columns == ("topic", "txet")
    assert found.problems[:3] == (
        "no row that was looked at has a column 'text'; did you mean 'txet'?",
        "no row that was looked at has a column 'topics'; did you mean 'topic'?",
        "no row that was looked at has a column 'price'; there are: topic, txet",
    )


def test_a_column_that_may_come_later_is_no_problem_of_a_sample(workspace: Workspace) -> None:
    rows = [{"id": str(number), "text": "some text"} for number in range(2_500)]
    found = tried(workspace, table_contract(lines(workspace, rows), "jsonl", column("price")))
    assert (found.missing_columns, found.fits) == (("price",), True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (files_contract("gone"), "gone"),
        (table_contract("gone.jsonl", "jsonl"), "gone.jsonl"),
        (table_contract("gone-*.csv", "csv"), "gone-*.csv"),
    ],
    ids=["folder", "file", "pattern"],
)
@pytest.mark.parametrize("everything", [False, True])
def test_a_path_that_does_not_exist_is_told(
    workspace: Workspace, content: dict[str, Any], says: str, everything: bool
) -> None:
    (problem,) = tried(workspace, content, everything=everything).problems
    assert says in problem


def test_a_file_in_another_form_is_told_with_the_form_it_has(workspace: Workspace) -> None:
    feed = workspace.root / "rows.csv"
    feed.write_text("id;text\n1;some text\n")
    (problem,) = tried(workspace, table_contract(feed, "csv")).problems
    assert "nothing could be read of 1 that are listed; the first: " in problem
    assert "semicolon" in problem


def test_a_private_value_that_is_refused_counts_and_is_not_shown(workspace: Workspace) -> None:
    rows = [*ROWS, {"id": "private", "text": "Write to anna.berg@example.com about it."}]
    content = table_contract(lines(workspace, rows), "jsonl")
    content["schema"][0]["properties"][1]["customProperties"] += [{"property": "piiPolicy", "value": "refuse"}]
    found = tried(workspace, content)
    assert found.refused_rows == 1
    assert "anna" not in repr(found)


def test_a_salt_that_is_not_set_is_a_problem_and_no_error(workspace: Workspace) -> None:
    content = table_contract(lines(workspace, ROWS), "jsonl", column("who", policy="hash"))
    (problem,) = tried(workspace, content).problems
    assert "RAG_PII_SALT" in problem


def test_documents_and_a_database_are_tried_too(workspace: Workspace) -> None:
    pages = workspace.pages({"a.md": "# A\n\nSome text.\n", "b.md": ""})
    found = tried(workspace, files_contract(pages))
    assert (found.rows, found.unreadable, found.fits) == (1, 1, True)
    database = workspace.root / "rows.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE rows (id TEXT, body TEXT)")
        connection.execute("INSERT INTO rows VALUES ('1', 'some text')")
    server: dict[str, Any] = {"server": "db", "type": "custom", "location": f"sqlite:///{database}"}
    server["customProperties"] = [{"property": "connector", "value": "sql"}, {"property": "table", "value": "rows"}]
    problems = tried(workspace, table_contract("x", "jsonl") | {"servers": [server]}).problems
    assert any("'text'" in one for one in problems), problems


def test_on_the_command_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAG_CONTRACTS", str(workspace.settings.contracts))
    good = workspace.contract("table", table_contract(lines(workspace, ROWS), "jsonl"))
    workspace.contract("pages", files_contract("gone"))
    code, out, _ = rag(monkeypatch, capsys, "contract", "check", "--data", "table")
    assert code == 0
    assert "table: 40 rows looked at (all that are there): 0 would be refused" in out
    assert "pages" not in out
    code, out, _ = rag(monkeypatch, capsys, "contract", "check", "--data", "--all", "--json")
    told = json.loads(out)["contracts"]
    assert code == 1
    assert told[str(good)]["data"]["fits"] is True
    assert [one["data"]["fits"] for one in told.values()].count(False) == 1
    assert rag(monkeypatch, capsys, "contract", "check")[0] == 0, "without --data no source is looked at"
    code, _, err = rag(monkeypatch, capsys, "contract", "check", "--all")
    assert (code, "--data" in err) == (2, True)
    assert not workspace.home.root.exists()
