"""Private data in the queries of a golden set: masked or refused before anything of them is stored."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.read import read_golden_set
from tests.conftest import Workspace

JANE, IBAN = "jane.planted@mail-house.org", "DE89 3704 0044 0532 0130 00"
QUERIES: list[dict[str, Any]] = [
    {"_id": "q0", "text": f"who is {JANE.replace('@', '&#64;')}", "metadata": {"team": f"of {JANE}"}},
    {
        "_id": "q1",
        "text": "plain words",
        "references": [{"document": "a.md", "quote": f"pay to **{IBAN[:9]}** {IBAN[10:]}"}],
    },
]


def golden(workspace: Workspace, policy: str, **about: object) -> Path:
    fields = {"slices": ["team"], "piiPolicy": policy, **about}
    folder = workspace.golden("people", {}, **fields)
    shutil.rmtree(folder / "qrels")
    first = {**QUERIES[0], "references": [{"document": "b.md", "quote": "of nobody"}]}
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, (first, QUERIES[1]))), encoding="utf-8")
    return folder


@pytest.mark.parametrize("salt", ["", "a long and random text"])
def test_queries_quotes_and_slices_are_masked_as_documents_are(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, salt: str
) -> None:
    monkeypatch.setenv("RAG_PII_SALT", salt)
    found = read_golden_set(golden(workspace, "scan-and-mask"))
    assert all(word not in str(found) for word in ("planted", "3704", IBAN))
    assert found.queries["q0"].startswith("who is <EMAIL_ADDRESS")
    assert [quoted[0].quote[:25] for quoted in found.references.values()][1].startswith("pay to **<IBAN_CODE")
    assert found.slices["q0"]["team"].startswith("of <EMAIL_ADDRESS")
    monkeypatch.setenv("RAG_PII_SALT", "another")
    assert read_golden_set(workspace.root / "evals" / "people").fingerprint != found.fingerprint, "it asks something else"


def test_a_set_may_refuse_and_says_where_without_the_value(workspace: Workspace) -> None:
    with pytest.raises(GoldenSetError, match=r"queries.jsonl:1: text: holds private data \(1 EMAIL_ADDRESS\)") as told:
        read_golden_set(golden(workspace, "refuse"))
    assert "planted" not in str(told.value)
    named = golden(workspace, "refuse", piiEntities=["US_SSN"])
    assert read_golden_set(named).queries["q0"].startswith("who is jane")


def test_an_id_with_private_data_is_refused_and_the_key_of_a_document_stays(workspace: Workspace) -> None:
    folder = golden(workspace, "scan-and-mask")
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").replace("b.md", f"to {JANE}.md")
    (folder / "queries.jsonl").write_text(lines, encoding="utf-8")
    assert read_golden_set(folder).judged_documents == {f"to {JANE}.md", "a.md"}
    (folder / "queries.jsonl").write_text(lines.replace('"q1"', f'"of {JANE}"'), encoding="utf-8")
    with pytest.raises(GoldenSetError, match=r"queries.jsonl:2: _id: holds private data; give the query another id") as told:
        read_golden_set(folder)
    assert "planted" not in str(told.value)


def test_without_a_policy_queries_are_as_they_are_written(workspace: Workspace) -> None:
    assert JANE in str(read_golden_set(golden(workspace, "allow")).slices)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"piiEntities": ["E_MAIL"]}, "E_MAIL"),
        ({"piiEntities": ["PERSON"]}, "PERSON cannot be found here"),
        ({"piiRegions": ["UK"]}, "UK: no such country"),
    ],
)
def test_a_set_that_asks_for_what_is_not_known_is_refused(workspace: Workspace, about: dict[str, object], says: str) -> None:
    with pytest.raises(GoldenSetError, match=says):
        read_golden_set(golden(workspace, "scan-and-mask", **about))
    with pytest.raises(GoldenSetError, match="piiPolicy"):
        read_golden_set(golden(workspace, "mask"))
