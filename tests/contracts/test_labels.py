"""What is a label, what is the same label, and what happens to a row that has none."""

import unicodedata
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.labels import folded, granted_word, is_label, labels_of
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.contracts.split import REASONS, Splitter
from tests.conftest import column, files_contract


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("HR", ("hr",)),
        (" hr , Staff,hr", ("hr", "staff")),
        ('["Board", "hr"]', ("board", "hr")),
        ("cafe\u0301", ("café",)),
        ("STRASSE, straße", ("strasse",)),
        ("hr,,", ("hr",)),
        ("tenant:acme", ("tenant:acme",)),
        ("Human Resources", ("human resources",)),
        ("группа", ("группа",)),
    ],
)
def test_one_spelling_of_what_is_the_same_label(said: str, means: tuple[str, ...]) -> None:
    assert labels_of(said) == means


NONE = ["", " ", ",", "*", "hr,*", "all", "Public", "hr,public", "[]", '[""]', '["hr", 7]', '["hr"', '["hr"],"public"']
NONE += [
    "h\u200br",
    "hr\x00",
    "x" * 101,
    ",".join(f"l{n}" for n in range(65)),
    '[["hr"]]',
    '["*"]',
    "-hr",
    "ALL",
    "[" * 9999,
]


@pytest.mark.parametrize("said", NONE)
def test_what_is_no_label_is_never_one(said: str) -> None:
    assert labels_of(said) == ()


@pytest.mark.parametrize("word", ["", "*", "ALL", "Public", " all", "hr,staff", "h*", ".*", "hr\u200b", "x" * 101, "'; --"])
def test_a_grant_of_what_is_no_label_grants_nothing(word: str) -> None:
    assert granted_word(word) == ""


@given(st.text(max_size=20))
def test_folding_again_changes_nothing_of_a_label(text: str) -> None:
    label = folded(text)
    if is_label(label):
        assert folded(label) == label == granted_word(unicodedata.normalize("NFD", text))


def contract_with(folder: Path, **access: Any) -> Contract:
    content = files_contract("pages")
    content["schema"][0]["properties"].append(column("readers", role="access", **access))
    file = folder / "handbook.odcs.yaml"
    file.write_text(yaml.safe_dump(content))
    return read_contract(file)


def test_a_row_without_a_label_is_refused_by_name_and_reason(tmp_path: Path) -> None:
    splitter = Splitter(contract_with(tmp_path))
    values = ["hr", None, "*", "hr,public", '["Board"]']
    rows = pl.DataFrame({"path": list("abcde"), "text": ["x"] * 5, "readers": values})
    split = splitter.split(rows)
    assert split.good["path"].to_list() == ["a", "e"]
    reasons = {row["path"]: row[REASONS] for row in split.refused.iter_rows(named=True)}
    assert [one["rule"] for one in reasons["b"]] == ["required"]
    assert all([one["rule"] for one in reasons[path]] == ["labels"] for path in "cd")
    assert reasons["c"][0]["column"] == "readers" and "none of them is *, all or public" in reasons["c"][0]["message"]
