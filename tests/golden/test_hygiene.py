import json
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.golden.hygiene import Finding, check_set
from rag_pipeline.golden.journal import Judgment, keep
from tests.conftest import Workspace
from tests.golden.conftest import Load

LEAVE = "Every employee has thirty days of paid holiday each year. Ask your lead two weeks before."


def found(workspace: Workspace, folder: Path, kind: str) -> list[Finding]:
    return [one for one in check_set(folder, workspace.home, ["hr", "it"]).findings if one.kind == kind]


def quoting(workspace: Workspace, references: list[dict[str, Any]], **about: Any) -> Path:
    folder = workspace.golden("quoting", {"x": ["y"]}, **about)
    (folder / "qrels" / "test.tsv").unlink()
    row = {"_id": "q0", "text": "how long may I be away", "references": references}
    (folder / "queries.jsonl").write_text(f"\n{json.dumps(row)}\n", encoding="utf-8")
    return folder


def test_the_same_question_twice_is_an_error_and_nearly_the_same_a_warning(workspace: Workspace) -> None:
    long = "how many days of paid holiday does an employee get"
    texts = ["Which train?", "which  train", long, f"{long} here", "another one altogether"]
    folder = workspace.golden("small", {text: ["hr/a"] for text in texts})
    (twice,) = found(workspace, folder, "duplicate")
    assert (twice.level, twice.where, twice.query) == ("error", f"{folder / 'queries.jsonl'}:2", "q1")
    assert "q0" in twice.says
    (near,) = found(workspace, folder, "near_duplicate")
    assert (near.level, near.query) == ("warning", "q3")
    assert not check_set(folder, workspace.home, ["hr"]).sound


def test_a_set_that_cannot_be_read_is_a_finding_with_its_place(workspace: Workspace) -> None:
    folder = workspace.golden("small", {"a": ["hr/a"]})
    (folder / "qrels/test.tsv").write_text("q7\thr/a\t1\n")
    (only,) = check_set(folder, workspace.home, ["hr"]).findings
    assert (only.level, only.kind, only.where) == ("error", "unreadable", f"{folder / 'qrels/test.tsv'}:1")
    assert "'q7'" in only.says


def test_without_documents_it_says_what_was_not_checked(workspace: Workspace) -> None:
    folder = workspace.golden("small", {"a": ["hr/a"], "b": ["it/b"]})
    (note,) = found(workspace, folder, "not_checked")
    assert note.level == "note"
    assert "hr, it" in note.says
    assert check_set(folder, workspace.home, ["hr", "it"]).sound


def test_a_judged_document_that_is_gone_is_told_with_line_and_owner(workspace: Workspace, load: Load) -> None:
    load("hr", {"leave": ("Leave", LEAVE)})
    folder = workspace.golden("small", {"a": ["hr/leave", "hr/gone"], "b": ["hr/leave", "it/x"]})
    (dead,) = found(workspace, folder, "dead")
    assert (dead.level, dead.where, dead.query) == ("error", f"{folder / 'qrels/test.tsv'}:3", "q0")
    assert "hr/gone" in dead.says
    assert "docs@example.com" in dead.says
    (many,) = found(workspace, folder, "unresolved")
    assert "1 of 3 judgments (33.3 %)" in many.says
    (note,) = found(workspace, folder, "not_checked")
    assert " it " in note.says
    assert "hr" not in note.says


def test_few_dead_judgments_are_a_warning(workspace: Workspace, load: Load) -> None:
    load("hr", {f"d{number}": (f"{number}", "text") for number in range(99)})
    judged = {f"query {number} asks": [f"hr/d{number}"] for number in range(99)} | {"the last one": ["hr/gone", "hr/d1"]}
    checked = check_set(workspace.golden("small", judged), workspace.home, ["hr"])
    assert [(one.level, one.kind) for one in checked.findings] == [("warning", "dead")]
    assert (checked.queries, checked.judgments, checked.sound) == (100, 101, True)


def test_a_quote_that_left_its_document_is_stale(workspace: Workspace, load: Load) -> None:
    load("hr", {"leave": ("Leave", LEAVE)})
    quotes = ["thirty days of PAID holiday", "twenty days of paid holiday", "write to hr@example.com"]
    folder = quoting(workspace, [{"document": "leave", "quote": quote} for quote in quotes], source="hr")
    changed, masked = found(workspace, folder, "stale")
    assert changed.where == f"{folder / 'queries.jsonl'}:2"
    assert "“twenty days of paid holiday”" in changed.says
    assert "masked" in masked.says


def test_a_query_that_quotes_its_document_flatters_lexical_search(workspace: Workspace, load: Load) -> None:
    load("hr", {"leave": ("Leave", LEAVE), "travel": ("Travel", "Book trains.")})
    asked = ["who gets thirty days of paid holiday each year", "how long may I be away"]
    judged = {"has thirty days of paid holiday each year": ["hr/travel"]} | {text: ["hr/leave"] for text in asked}
    folder = workspace.golden("small", judged)
    whole, one = found(workspace, folder, "quotes_answer")
    assert whole.says.startswith("1 of 3 queries (33%)")
    assert (one.level, one.query, one.where) == ("warning", "q1", f"{folder / 'queries.jsonl'}:2")
    assert "“thirty days of paid holiday each year” appears word for word in hr/leave" in one.says
    machine = workspace.golden("machine", judged, made_by="machine")
    (once,) = found(workspace, machine, "quotes_answer")
    assert once.level == "note"


def test_a_slice_that_no_query_names_is_told(workspace: Workspace) -> None:
    folder = workspace.golden("small", {"a": ["hr/a"]}, slices=["kind", "none"])
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q0", "text": "a", "metadata": {"kind": "rare"}}) + "\n")
    (empty,) = found(workspace, folder, "empty_slice")
    assert "'none'" in empty.says
    machine = workspace.golden("machine", {"a": ["hr/a"]}, made_by="machine", slices=["kind"])
    assert not found(workspace, machine, "empty_slice"), "held against floors only"


def test_probes_that_repeat_a_judged_query_or_each_other_are_told_with_their_line(workspace: Workspace) -> None:
    folder = workspace.golden("small", {"How many days?": ["hr/a"]})
    rows = {"p1": "where is the yard", "p2": "how many DAYS", "p3": "Where is the yard?"}
    lines = [json.dumps({"_id": probe, "text": text}) + "\n" for probe, text in rows.items()]
    (folder / "probes.jsonl").write_text("\n" + "".join(lines))
    (judged,) = found(workspace, folder, "probe_is_judged")
    assert (judged.where, judged.query) == (f"{folder / 'probes.jsonl'}:3", "p2")
    (twice,) = found(workspace, folder, "duplicate_probe")
    assert (twice.where, twice.query) == (f"{folder / 'probes.jsonl'}:4", "p3")
    assert "asks the same as p1" in twice.says
    (folder / "probes.jsonl").write_text('{"_id": "p1"}\n')
    (unreadable,) = check_set(folder, workspace.home, ["hr"]).findings
    assert unreadable.where == f"{folder / 'probes.jsonl'}:1" and "needs `_id` and a `text`" in unreadable.says


def test_judges_who_disagree_are_told_of_but_not_one_who_thought_again(workspace: Workspace) -> None:
    folder = workspace.golden("small", {"a": ["hr/a"]})
    for judge, document, grade in [
        ("anna", "hr/a", 2),
        ("ben", "hr/a", 0),
        ("anna", "hr/b", 1),
        ("anna", "hr/b", None),
        ("anna", "hr/b", 2),
        ("ben", "hr/b", 2),
    ]:
        keep(folder, Judgment("q0", document, grade, "p", judge, "2026-11-21T09:00:00+00:00", "r"))
    with (folder / "judgments.jsonl").open("a") as file:
        file.write("{half")
    (one,) = found(workspace, folder, "contradiction")
    assert (one.level, one.where, one.query) == ("warning", f"{folder / 'judgments.jsonl'}:2", "q0")
    assert "ben gave 0, anna 2 (line 1)" in one.says
    (broken,) = found(workspace, folder, "journal")
    assert broken.where.endswith(":7")


def test_a_pair_judged_twice_in_the_qrels_is_told_with_both_lines(workspace: Workspace) -> None:
    folder = workspace.golden("small", {"a": ["hr/a"]}, source="hr")
    (folder / "qrels/test.tsv").write_text("q0\ta\t1\n\nq0\ta\t0\nq0\tb\t1\nq0\tb\t1\n")
    (one,) = found(workspace, folder, "contradiction")
    assert one.where == f"{folder / 'qrels/test.tsv'}:3"
    assert "hr/a is judged 0 here and 1 in line 1" in one.says


@pytest.mark.parametrize("grade", [1, 0])
def test_one_judged_document_is_enough(workspace: Workspace, load: Load, grade: int) -> None:
    load("hr", {"leave": ("Leave", LEAVE), "b": ("B", "text")})
    judged = {f"ask {number} things of {number + 1}": ["hr/leave"] for number in range(59)}
    folder = workspace.golden("small", judged)
    with (folder / "qrels/test.tsv").open("a") as file:
        file.write(f"q0\thr/b\t{grade}\n")
    assert check_set(folder, workspace.home, ["hr"]).findings == ()
