"""A broken golden set is refused with file, line and what to do."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.read import (
    read_golden_set,
)
from tests.support.golden_files import about, folder, lines, qrels

__all__ = ["folder"]


BROKEN: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "no golden.yaml": (lambda f: (f / "golden.yaml").unlink(), ["small: no golden.yaml", "who owns it"]),
    "an unknown field": (
        lambda f: about(f, "metrcs: [nDCG@10]"),
        ["golden.yaml:3", "metrcs", "fields: description", "metrics"],
    ),
    "no owner": (lambda f: (f / "golden.yaml").write_text("description: x\n"), ["golden.yaml:1", "owner", "required"]),
    "a list for a file": (lambda f: (f / "golden.yaml").write_text("- x\n"), ["golden.yaml:1", "fields: description"]),
    "broken YAML": (lambda f: about(f, "metrics: [nDCG@10"), ["golden.yaml:", "not valid YAML"]),
    "a field given twice": (lambda f: about(f, "split: a\nsplit: b"), ["golden.yaml:4", "split", "keep one"]),
    "an unknown metric": (
        lambda f: about(f, "metrics:\n- nDCG@10\n- nDGC@10"),
        ["golden.yaml:5", "unknown metric 'nDGC@10'", "write one of nDCG, recall"],
    ),
    "an unknown metric of passages": (
        lambda f: about(f, "metrics:\n- nDCG@10\n- span_f1@5"),
        ["golden.yaml:5", "unknown metric 'span_f1@5'"],
    ),
    "a metric of passages without a passage": (
        lambda f: about(f, "metrics: [nDCG@10, span_recall@5]"),
        ["small: span_recall@5 needs quoted passages", "2 queries have none (first: 'q0')", "`references`"],
    ),
    "made by nobody known": (
        lambda f: about(f, "made_by: robots"),
        ["golden.yaml:3", "made_by", "'people', 'machine' or 'traffic'"],
    ),
    "no metric": (lambda f: about(f, "metrics: []"), ["golden.yaml:3", "metrics", "at least 1"]),
    "a primary that is not measured": (
        lambda f: about(f, "metrics: [MRR@10]\nprimary: nDCG@10"),
        ["golden.yaml:4", "primary 'nDCG@10' is not among the metrics"],
    ),
    "no queries": (lambda f: (f / "queries.jsonl").unlink(), ["queries.jsonl: no such file", "one query a line"]),
    "a query given twice": (
        lambda f: lines(f, {"_id": "q0", "text": "a"}, {"_id": "q1", "text": "b"}, {"_id": "q0", "text": "c"}),
        ["queries.jsonl:3", "'q0' is given twice", "keep one"],
    ),
    "a blank text": (
        lambda f: lines(f, {"_id": "q0", "text": " \t"}),
        ["queries.jsonl:1", "`_id` and a `text` that is not blank"],
    ),
    "a text that is a number": (lambda f: lines(f, {"_id": "q0", "text": 5}), ["queries.jsonl:1", "`text`"]),
    "no id": (lambda f: lines(f, {"text": "a"}), ["queries.jsonl:1", "`_id`"]),
    "an id of null": (lambda f: lines(f, {"_id": None, "text": "a"}), ["queries.jsonl:1", "`_id`"]),
    "a line that is not JSON": (
        lambda f: lines(f, {"_id": "q0", "text": "a"}, "{'_id': 'q1'}"),
        ["queries.jsonl:2", "not JSON", "column 2"],
    ),
    "a line that is no object": (lambda f: lines(f, "[1]"), ["queries.jsonl:1", "a query is a JSON object, found list"]),
    "metadata that is no object": (
        lambda f: lines(f, {"_id": "q0", "text": "a", "metadata": "paraphrase"}),
        ["queries.jsonl:1", "metadata: expected an object, found str"],
    ),
    "a reference without a document": (
        lambda f: lines(f, {"_id": "q0", "text": "a", "references": [{"quote": "x"}]}),
        ["queries.jsonl:1", "references: each is an object that names its `document`"],
    ),
    "a reference that is no object": (
        lambda f: lines(f, {"_id": "q0", "text": "a", "references": ["the document"]}),
        ["queries.jsonl:1", "references"],
    ),
    "a grade that is no number": (
        lambda f: lines(f, {"_id": "q0", "text": "a", "references": [{"document": "x", "grade": "high"}]}),
        ["queries.jsonl:1", "references", "grade"],
    ),
    "a grade that is true": (
        lambda f: lines(f, {"_id": "q0", "text": "a", "references": [{"document": "x", "grade": True}]}),
        ["queries.jsonl:1", "grade is a whole number, found True"],
    ),
    "a blank quote": (
        lambda f: lines(
            f, {"_id": "q0", "text": "a"}, {"_id": "q1", "text": "b", "references": [{"document": "x", "quote": " "}]}
        ),
        ["queries.jsonl:2", "quote is the text of the passage, found ' '"],
    ),
    "a quote of null": (
        lambda f: lines(f, {"_id": "q0", "text": "a", "references": [{"document": "x", "quote": None}]}),
        ["queries.jsonl:1", "quote is the text of the passage, found None"],
    ),
    "a start before the document": (
        lambda f: lines(f, {"_id": "q0", "text": "a", "references": [{"document": "x", "quote": "y", "start": -1}]}),
        ["queries.jsonl:1", "start counts characters from 0, found -1"],
    ),
    "a start that is no number": (
        lambda f: lines(f, {"_id": "q0", "text": "a", "references": [{"document": "x", "quote": "y", "start": "7"}]}),
        ["queries.jsonl:1", "start counts characters from 0, found '7'"],
    ),
    "queries that are not UTF-8": (
        lambda f: (f / "queries.jsonl").write_bytes(b'{"_id": "q0", "text": "caf\xe9"}'),
        ["queries.jsonl", "not UTF-8", "byte 26"],
    ),
    "judgments of an unknown query": (
        lambda f: qrels(f, "query-id\tcorpus-id\tscore\nq0\ta\t1\nq7\ta\t1\n"),
        ["test.tsv:3", "'q7' is not in queries.jsonl; remove this line"],
    ),
    "a score that is no number": (
        lambda f: qrels(f, "query-id\tcorpus-id\tscore\nq0\ta\thigh\n"),
        ["test.tsv:2", "expected query-id, corpus-id, score"],
    ),
    "spaces for tabs": (lambda f: qrels(f, "q0 a 1\n"), ["test.tsv:1", "between tabs"]),
    "judgments that are not UTF-8": (
        lambda f: (f / "qrels" / "test.tsv").write_bytes(b"q0\tcaf\xe9\t1\n"),
        ["test.tsv", "not UTF-8", "byte 6"],
    ),
    "no judgments": (lambda f: shutil.rmtree(f / "qrels"), ["small: no judgments", "qrels/test.tsv", "`references`"]),
    "judgments without a line": (lambda f: qrels(f, "query-id\tcorpus-id\tscore\n"), ["small: no judgments"]),
    "a query without a relevant document": (
        lambda f: qrels(f, "q0\ta\t1\nq1\ta\t0\n"),
        ["small: 1 queries have no relevant document", "first: 'q1'", "`rag golden judge small`"],
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_set_is_refused_with_file_line_and_what_to_do(folder: Path, what: str) -> None:
    damage, says = BROKEN[what]
    read_golden_set(folder)
    damage(folder)
    with pytest.raises(GoldenSetError) as caught:
        read_golden_set(folder)
    for part in says:
        assert part in str(caught.value)
