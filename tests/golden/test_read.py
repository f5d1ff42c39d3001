import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.feeds.base import Connector
from rag_pipeline.feeds.server import ReadContext
from rag_pipeline.golden.read import (
    GoldenSet,
    Reference,
    read_golden_set,
    read_golden_sets,
    readable_golden_sets,
    refuse_unquoted,
)
from rag_pipeline.settings import PROJECT
from tests.conftest import Workspace
from tests.support.feeds import whole
from tests.support.golden_files import about, folder, lines, qrels

__all__ = ["folder"]


REAL = PROJECT / "evals"
BUNDLED = ("installed_packages", "python_language", "python_library")


def test_a_set_in_beir_form_is_read(folder: Path) -> None:
    qrels(folder, "query-id\tcorpus-id\tscore\nq0\thandbook/leave.md\t2\nq0\thandbook/it.md\t0\nq1\thandbook/travel.md\t1\n")
    golden = read_golden_set(folder)
    assert golden.name == "small"
    assert golden.queries == {"q0": "how many days", "q1": "which train"}
    assert golden.qrels == {"q0": {"handbook/leave.md": 2, "handbook/it.md": 0}, "q1": {"handbook/travel.md": 1}}
    assert golden.judged_documents == {"handbook/leave.md", "handbook/it.md", "handbook/travel.md"}
    assert golden.about.primary == "nDCG@10"


def test_a_set_of_quoted_references_is_read(folder: Path) -> None:
    shutil.rmtree(folder / "qrels")
    lines(
        folder,
        {"_id": "a", "text": "how many days", "references": [{"document": "leave.md", "quote": "thirty days"}]},
        {"_id": "b", "text": "by what", "references": [{"document": "x", "grade": 3}, {"document": "y", "grade": 0}]},
    )
    about(folder, "source: handbook")
    golden = read_golden_set(folder)
    assert golden.qrels == {"a": {"handbook/leave.md": 1}, "b": {"handbook/x": 3, "handbook/y": 0}}
    assert golden.references == {"a": (Reference("handbook/leave.md", "thirty days", None, 1),), "b": ()}


def test_references_keep_where_their_quote_stood_and_a_document_is_worth_its_best_one(folder: Path) -> None:
    shutil.rmtree(folder / "qrels")
    first = {"document": "handbook/leave.md", "quote": " thirty\ndays ", "start": 0, "end": 13, "grade": 1}
    second = {"document": "handbook/leave.md", "quote": "thirty", "start": 90, "grade": 3}
    lines(folder, {"_id": "a", "text": "how many days", "references": [first, second, {"document": "handbook/it.md"}]})
    golden = read_golden_set(folder)
    assert golden.references["a"] == (
        Reference("handbook/leave.md", " thirty\ndays ", 0, 1),
        Reference("handbook/leave.md", "thirty", 90, 3),
    )
    assert golden.qrels == {"a": {"handbook/leave.md": 3, "handbook/it.md": 1}}


def test_a_set_that_quotes_may_have_a_file_of_judgments_too_which_then_says_the_grades(folder: Path) -> None:
    references = [{"document": "handbook/leave.md", "quote": "thirty days"}]
    lines(folder, {"_id": "q0", "text": "how many", "references": references}, {"_id": "q1", "text": "which train"})
    qrels(folder, "q0\thandbook/leave.md\t2\nq1\thandbook/travel.md\t1\n")
    golden = read_golden_set(folder)
    assert golden.qrels == {"q0": {"handbook/leave.md": 2}, "q1": {"handbook/travel.md": 1}}
    assert golden.references == {"q0": (Reference("handbook/leave.md", "thirty days", None, 1),)}


def test_a_set_says_who_made_it_people_if_nobody_says(folder: Path) -> None:
    assert read_golden_set(folder).about.made_by == "people"
    about(folder, "made_by: machine")
    assert read_golden_set(folder).about.made_by == "machine"


def test_metrics_of_passages_are_accepted_where_every_query_quotes_one(folder: Path) -> None:
    about(folder, "metrics: [span_recall@5, span_iou@10, nDCG@10]\nprimary: span_recall@5")
    shutil.rmtree(folder / "qrels")
    lines(folder, {"_id": "a", "text": "how many", "references": [{"document": "x", "quote": "thirty days"}]})
    golden = read_golden_set(folder)
    assert (golden.about.metrics, golden.about.primary) == (["span_recall@5", "span_iou@10", "nDCG@10"], "span_recall@5")
    refuse_unquoted(golden, ["span_precision@1"], "here")


def test_metrics_of_passages_are_refused_for_a_set_that_judges_documents(folder: Path) -> None:
    golden = read_golden_set(folder)
    refuse_unquoted(golden, ["nDCG@10", "judged@10"], "gate.yaml")
    with pytest.raises(GoldenSetError, match=r"gate\.yaml: span_iou@3 needs quoted passages, but 2 queries have none"):
        refuse_unquoted(golden, ["nDCG@10", "span_iou@3"], "gate.yaml")


def test_a_set_about_one_source_names_documents_by_their_bare_keys(folder: Path) -> None:
    about(folder, "source: handbook")
    qrels(folder, "q0\tleave.md\t1\nq1\tsub/travel.md\t1\n")
    assert read_golden_set(folder).judged_documents == {"handbook/leave.md", "handbook/sub/travel.md"}


def test_another_split_is_used_when_golden_yaml_says_so(folder: Path) -> None:
    about(folder, "split: dev")
    (folder / "qrels" / "dev.tsv").write_text("q0\tdev\t1\nq1\tdev\t1\n", encoding="utf-8")
    assert read_golden_set(folder).judged_documents == {"dev"}


def test_slices_are_fields_of_a_querys_metadata(folder: Path) -> None:
    about(folder, "slices: [kind, year]")
    lines(
        folder,
        {"_id": "q0", "text": "how many", "metadata": {"kind": "paraphrase", "year": 2024, "else": 1}},
        {"_id": "q1", "text": "which train"},
    )
    assert read_golden_set(folder).slices == {"q0": {"kind": "paraphrase", "year": "2024"}, "q1": {}}


def test_blank_lines_windows_line_ends_and_quotes_in_names_are_read_as_they_are(folder: Path) -> None:
    (folder / "queries.jsonl").write_bytes(
        b'\r\n{"_id": "q0", "text": "a \xe2\x80\xa8 b"}\r\n\r\n{"_id": "q1", "text": "c"}'
    )
    (folder / "qrels" / "test.tsv").write_bytes(b'query-id\tcorpus-id\tscore\r\nq0\t"quoted\t1\r\nq1\tb"c\t1\r\n')
    golden = read_golden_set(folder)
    assert golden.queries == {"q0": "a \u2028 b", "q1": "c"}
    assert golden.judged_documents == {'"quoted', 'b"c'}


@pytest.mark.parametrize("file", ["queries.jsonl", "golden.yaml", "qrels/test.tsv"])
def test_a_change_in_any_file_is_another_golden_set(folder: Path, file: str) -> None:
    before = read_golden_set(folder).fingerprint
    assert read_golden_set(folder).fingerprint == before
    with (folder / file).open("a", encoding="utf-8") as text:
        text.write("\n")
    assert read_golden_set(folder).fingerprint != before


def test_judgments_of_another_split_and_notes_are_no_part_of_the_set(folder: Path) -> None:
    before = read_golden_set(folder).fingerprint
    (folder / "qrels" / "train.tsv").write_text("q0\ta\t1\n", encoding="utf-8")
    (folder / "NOTES.md").write_text("notes", encoding="utf-8")
    assert read_golden_set(folder).fingerprint == before


def test_every_folder_is_a_set_hidden_ones_and_files_apart(workspace: Workspace) -> None:
    workspace.golden("b_set", {"q": ["a"]})
    workspace.golden("a_set", {"q": ["a"]})
    workspace.policy({"a_set": {}})
    for name in ("_draft", ".git"):
        (workspace.settings.evals / name).mkdir()
    assert [golden.name for golden in read_golden_sets(workspace.settings.evals)] == ["a_set", "b_set"]


def test_a_missing_folder_is_named_and_an_empty_one_is_no_error(tmp_path: Path) -> None:
    assert read_golden_sets(tmp_path) == ()
    with pytest.raises(GoldenSetError, match=r"nothing: no such folder; RAG_EVALS must name"):
        read_golden_sets(tmp_path / "nothing")


def test_one_set_that_cannot_be_read_does_not_keep_the_others_from_being_asked(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a_set", "b_set", "c_set"):
        workspace.golden(name, {"q": ["a"]})
    (workspace.settings.evals / "b_set" / "queries.jsonl").write_text("{", encoding="utf-8")
    assert [golden.name for golden in readable_golden_sets(workspace.settings.evals)] == ["a_set", "c_set"]
    assert "queries.jsonl:1: not JSON" in caplog.text
    assert readable_golden_sets(workspace.settings.evals / "nowhere") == ()


@pytest.fixture(scope="module")
def bundled() -> GoldenSet:
    return read_golden_set(REAL / "python_docs")


def test_the_bundled_set_is_valid_and_large_enough_to_decide_with(bundled: GoldenSet) -> None:
    assert len(bundled.queries) >= 150
    kinds = Counter(slices["kind"] for slices in bundled.slices.values())
    assert kinds["paraphrase"] >= 30
    assert kinds.total() == len(bundled.queries)
    assert bundled.qrels.keys() == bundled.queries.keys()
    assert len({text.casefold().strip() for text in bundled.queries.values()}) == len(bundled.queries)


def connector_of(source: str) -> Connector:
    """The reader of a bundled source, as its contract has it."""
    return read_contract(PROJECT / f"contracts/{source}.odcs.yaml").server.connect(ReadContext(source))


def judged_in(golden: GoldenSet, source: str) -> set[str]:
    return {document.partition("/")[2] for document in golden.judged_documents if document.startswith(f"{source}/")}


@pytest.mark.parametrize("source", BUNDLED)
def test_documents_the_bundled_set_judges_exist_on_this_interpreter(bundled: GoldenSet, source: str) -> None:
    connector, judged = connector_of(source), judged_in(bundled, source)
    items = {item.key: item for item in connector.items(lambda _: None)}
    assert len(judged) > 20
    assert judged - items.keys() == set()
    unreadable = [key for key in judged if not list(connector.read(items[key]))]
    assert len(unreadable) <= 0.01 * len(judged), unreadable  # asyncio.taskgroups says nothing of itself in Python 3.11.2


def test_what_a_judgment_of_a_package_quotes_stands_in_its_description() -> None:
    """The packages are pinned, so their texts are the same everywhere; those of Python differ between its versions."""
    connector = connector_of("installed_packages")
    rows = [row for item in connector.items(lambda _: None) for row in whole(connector.read(item))]
    texts = [" ".join(str(row["text"]).split()) for row in rows]
    queries = (REAL / "python_docs/queries.jsonl").read_text(encoding="utf-8").splitlines()
    asked = {query["_id"]: query["metadata"] for query in map(json.loads, queries)}
    quoted = {name: meta["why"].split(" || ") for name, meta in asked.items() if meta["source"] == "installed_packages"}
    assert len(quoted) >= 40
    assert not [
        name for name, quotes in quoted.items() if not any(" ".join(one.split()) in text for one in quotes for text in texts)
    ]


def test_the_bundled_set_judges_only_bundled_sources(bundled: GoldenSet) -> None:
    assert {document.partition("/")[0] for document in bundled.judged_documents} == set(BUNDLED)
