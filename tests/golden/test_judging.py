import json
import os
from pathlib import Path

import pytest

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.journal import Judgment, keep, read_journal, standing
from rag_pipeline.golden.judging import Judging
from rag_pipeline.golden.read import read_golden_set
from tests.conftest import Workspace

LATER = "2026-11-22T09:00:00+00:00"


def said(query: str, document: str, grade: int | None, passage: str = "thirty days", judge: str = "anna") -> Judgment:
    return Judgment(query, document, grade, passage, judge, "2026-11-21T09:00:00+00:00", "r1")


@pytest.fixture
def beir(workspace: Workspace) -> Path:
    return workspace.golden("small", {"how many days": ["hr/leave"], "which train": ["hr/travel"]})


@pytest.fixture
def quoting(workspace: Workspace) -> Path:
    folder = workspace.golden("quoting", {"x": ["y"]}, source="hr")
    (folder / "qrels" / "test.tsv").unlink()
    lines = [
        '{"_id": "q0",  "text": "how many days", "references": [{"document": "leave", "quote": "thirty days", "note": 1}]}',
        '{"_id": "q1", "text": "which train", "references": [{"document": "travel", "quote": "second class"}]}',
    ]
    (folder / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_a_judgment_of_a_document_is_a_line_of_the_qrels_and_of_the_journal(beir: Path, workspace: Workspace) -> None:
    before = (beir / "queries.jsonl").read_bytes()
    judging = Judging.open(beir, workspace.home)
    assert judging.judges == "documents"
    judging.judge(said("q0", "hr/it", 0))
    judging.judge(said("q1", "hr/travel", 2))
    golden = read_golden_set(beir)
    assert golden.qrels == {"q0": {"hr/leave": 1, "hr/it": 0}, "q1": {"hr/travel": 2}}
    assert golden.about.judged == ["2026-11-21"]
    assert (beir / "queries.jsonl").read_bytes() == before
    assert [one for _, one in read_journal(beir)] == [said("q0", "hr/it", 0), said("q1", "hr/travel", 2)]
    assert set(json.loads((beir / "judgments.jsonl").read_text().splitlines()[0])) == {
        "query",
        "document",
        "grade",
        "passage",
        "judge",
        "at",
        "release",
    }


def test_a_judgment_of_a_passage_is_one_more_reference_that_the_reader_takes(quoting: Path, workspace: Workspace) -> None:
    judging = Judging.open(quoting, workspace.home)
    assert judging.judges == "passages"
    judging.judge(said("q0", "hr/other", 2, passage='He said: "thirty",\n\tin the é annex'))
    first, second = (quoting / "queries.jsonl").read_text(encoding="utf-8").split("\n")
    assert first.startswith(
        '{"_id": "q0",  "text": "how many days", "references": [{"document": "leave", "quote": "thirty d'
    )
    assert json.loads(first)["references"][1] == {
        "document": "other",
        "grade": 2,
        "judge": "anna",
        "date": "2026-11-21",
        "quote": 'He said: "thirty",\n\tin the é annex',
    }
    assert second.startswith('{"_id": "q1"')
    golden = read_golden_set(quoting)
    assert [one.document for one in golden.references["q0"]] == ["hr/leave", "hr/other"]
    assert golden.qrels["q0"] == {"hr/leave": 1, "hr/other": 2}


def test_where_a_set_quotes_and_has_qrels_the_document_is_as_good_as_its_best_passage(
    quoting: Path, workspace: Workspace
) -> None:
    (quoting / "qrels" / "test.tsv").write_text("q0\tleave\t1\nq1\ttravel\t1\n", encoding="utf-8")
    judging = Judging.open(quoting, workspace.home)
    for grade in (2, 0):
        judging.judge(said("q1", "hr/travel", grade, passage=f"passage {grade}"))
    golden = read_golden_set(quoting)
    assert golden.qrels["q1"] == {"hr/travel": 2}
    assert [one.grade for one in golden.references["q1"]] == [1, 2, 0]


def test_references_without_quotes_and_without_qrels_get_one_more(quoting: Path, workspace: Workspace) -> None:
    (quoting / "queries.jsonl").write_text('{"_id": "q0", "text": "x", "references": [{"document": "leave"}]}\n')
    Judging.open(quoting, workspace.home).judge(said("q0", "hr/it", 0))
    assert read_golden_set(quoting).qrels == {"q0": {"hr/leave": 1, "hr/it": 0}}


@pytest.mark.parametrize("name", ["beir", "quoting"])
def test_what_is_taken_back_leaves_the_set_as_it_was_and_stays_in_the_journal(
    name: str, request: pytest.FixtureRequest, workspace: Workspace
) -> None:
    folder: Path = request.getfixturevalue(name)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "golden.yaml"]
    before = {path: path.read_bytes() for path in files}
    judging = Judging.open(folder, workspace.home)
    kept = [judging.judge(said("q0", "hr/it", 2, passage="a")), judging.judge(said("q0", "hr/leave", 0, passage="b"))]
    for one in reversed(kept):
        judging.undo(one, LATER)
    assert {path: path.read_bytes() for path in files} == before
    assert [one.grade for _, one in read_journal(folder) if one] == [2, 0, None, None]
    assert not standing(folder, by_passage=True)


def test_what_somebody_edited_since_is_not_taken_back(beir: Path, workspace: Workspace) -> None:
    judging = Judging.open(beir, workspace.home)
    kept = judging.judge(said("q0", "hr/it", 2))
    qrels = beir / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text().replace("hr/it\t2", "hr/it\t1"))
    with pytest.raises(GoldenSetError, match=r"test\.tsv: somebody edited"):
        judging.undo(kept, LATER)
    assert read_golden_set(beir).qrels["q0"]["hr/it"] == 1


@pytest.mark.parametrize(
    ("judgment", "says"),
    [
        (said("q0", "hr/it", 3), "grade 3"),
        (said("q9", "hr/it", 1), "query 'q9' is not in"),
        (said("q0", "other/it", 1), "about hr alone"),
    ],
)
def test_what_cannot_be_written_is_not_kept_either(
    judgment: Judgment, says: str, quoting: Path, workspace: Workspace
) -> None:
    with pytest.raises(GoldenSetError, match=says):
        Judging.open(quoting, workspace.home).judge(judgment)
    assert not (quoting / "judgments.jsonl").exists()


@pytest.mark.parametrize("name", ["beir", "quoting"])
def test_a_session_killed_between_journal_and_set_loses_nothing(
    name: str, request: pytest.FixtureRequest, workspace: Workspace
) -> None:
    folder: Path = request.getfixturevalue(name)
    judging = Judging.open(folder, workspace.home)
    assert judging.finish_last() is None
    judging.judge(said("q0", "hr/it", 1, passage="a"))
    assert judging.finish_last() is None
    written = folder / ("qrels/test.tsv" if name == "beir" else "queries.jsonl")
    os.utime(written, ns=(0, 0))  # the two writes can fall into one tick of the file system's clock
    lost = said("q1", "hr/it", 2, passage="b")
    keep(folder, lost)
    assert judging.finish_last() == lost
    assert judging.finish_last() is None
    assert read_golden_set(folder).qrels["q1"]["hr/it"] == 2


def test_a_judgment_deleted_by_hand_stays_deleted(beir: Path, workspace: Workspace) -> None:
    judging = Judging.open(beir, workspace.home)
    judging.judge(said("q0", "hr/it", 1))
    qrels = beir / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text().replace("q0\thr/it\t1\n", ""))
    assert judging.finish_last() is None
    assert "hr/it" not in read_golden_set(beir).qrels["q0"]
    assert ("q0", "hr/it") in standing(beir, by_passage=False)


def test_a_line_that_is_no_judgment_is_passed_over(beir: Path) -> None:
    keep(beir, said("q0", "hr/it", 1))
    with (beir / "judgments.jsonl").open("ab") as file:
        file.write(b'\xff\n[1]\n{"query": "q0"}\n{"query": "q0", "docu')
    keep(beir, said("q1", "hr/it", 0))
    assert [one and one.query for _, one in read_journal(beir)] == ["q0", None, None, None, None, "q1"]
    assert len(standing(beir, by_passage=False)) == 2


def test_a_set_that_is_not_there_is_named_with_those_that_are(beir: Path, workspace: Workspace) -> None:
    with pytest.raises(GoldenSetError, match="known: small"):
        Judging.open(beir.with_name("other"), workspace.home)


def test_a_question_that_somebody_added_can_be_judged_and_only_then_counts(beir: Path, workspace: Workspace) -> None:
    with (beir / "queries.jsonl").open("a", encoding="utf-8") as queries:
        queries.write('{"_id": "u1", "text": "who pays for the taxi"}\n')
    with pytest.raises(
        GoldenSetError, match="no relevant document \\(first: 'u1'\\); judge them \\(`rag golden judge small`\\)"
    ):
        read_golden_set(beir)
    judging = Judging.open(beir, workspace.home)
    assert judging.golden.queries["u1"] == "who pays for the taxi"
    judging.judge(said("u1", "hr/travel", 2))
    assert read_golden_set(beir).qrels["u1"] == {"hr/travel": 2}


def test_a_set_of_questions_alone_is_judged_from_nothing(beir: Path, workspace: Workspace) -> None:
    (beir / "qrels" / "test.tsv").unlink()
    for query in ("q0", "q1"):
        Judging.open(beir, workspace.home).judge(said(query, "hr/leave", 1))
    assert read_golden_set(beir).qrels == {"q0": {"hr/leave": 1}, "q1": {"hr/leave": 1}}
