"""Repeated keys and repeated unique values: whatever the order files come in, the same rows stand for their documents."""

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.home import Home
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.tables import source_tables
from tests.conftest import Workspace, column, table_contract
from tests.support.feeds import limits

NOW = datetime(2026, 3, 1, tzinfo=UTC)

Rows = list[dict[str, Any]]

rows = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["1", "2", "3"]),
        "isbn": st.sampled_from([None, "x", "y"]),
        "code": st.sampled_from([None, "p"]),
        "changed": st.sampled_from([None, "2026-01-01", "2026-01-02"]),
        "text": st.sampled_from(["One.", "Two."]),
    }
)
tables = st.lists(st.lists(rows, min_size=1, max_size=3), min_size=1, max_size=3)


def books(root: Path) -> Contract:
    """A glob of tables with a key, two unique columns and a time of change."""
    extra = [column("isbn", unique=True), column("code", unique=True)]
    changed = column("changed", role="modified_at", logicalType="timestamp")
    content = table_contract(root / "*.jsonl", "jsonl", *extra, changed, customProperties=limits(100, 100))
    return read_contract(Workspace(root).contract("books", content))


def write(root: Path, number: int, content: Rows) -> None:
    path = root / f"{number}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in content))
    os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))


def load(contract: Contract, root: Path, night: int) -> LoadReport:
    report = load_source(contract, Home(root / "home"), run_id=f"night-{night}", now=NOW + timedelta(days=night))
    assert not report.held, report.reason
    assert report.rows_in == report.good + report.refused + report.superseded
    return report


def documents(root: Path) -> list[tuple[Any, ...]]:
    stored = source_tables(Home(root / "home"), "books").documents.scan().collect()
    return sorted(stored.select("key", "text", "metadata", "modified_at", "item").iter_rows(), key=str)


def superseded(root: Path) -> list[tuple[str, int]]:
    entries = source_tables(Home(root / "home"), "books").quarantine.scan().collect()
    return sorted(
        (item, row) for item, row, status in entries.select("item", "row", "status").iter_rows() if status == "open"
    )


def loaded(files: Sequence[Rows], order: Sequence[int] | None) -> tuple[list[tuple[Any, ...]], list[tuple[str, int]]]:
    """Documents and superseded rows after all files were loaded, at once (order None) or one more each night."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        contract = books(root)
        if order is None:
            for number, content in enumerate(files):
                write(root, number, content)
            load(contract, root, 1)
        else:
            for night, number in enumerate(order):
                write(root, number, files[number])
                load(contract, root, night)
        found, lost = documents(root), superseded(root)
        assert len(found) + len(lost) == sum(len(content) for content in files), "a row vanished"
        for name in ("isbn", "code"):
            values = [value for *_, metadata, _, _ in found if (value := json.loads(metadata).get(name))]
            assert len(values) == len(set(values))
        return found, lost


def book(key: str, isbn: str | None = None, code: str | None = None, changed: str | None = None) -> dict[str, Any]:
    return {"id": key, "isbn": isbn, "code": code, "changed": changed, "text": "One."}


CASES = {
    "a value that goes to another key": [[book("1", "x")], [book("1", "y")], [book("2", "y")]],
    "a key twice, then a value twice": [[book("1")], [book("1"), book("1", None, "p"), book("2", None, "p")]],
    "two values of one row that others repeat": [[book("1", "x", "p")], [book("2", "x")], [book("3", None, "p")]],
    "a key and a value twice in one file": [[book("3", "y")], [book("1", "x")], [book("2", "x"), book("2", "y")]],
}


@pytest.mark.parametrize("case", CASES)
def test_files_that_come_night_by_night_last_one_first_give_what_they_give_at_once(case: str) -> None:
    files = CASES[case]
    assert loaded(files, list(reversed(range(len(files))))) == loaded(files, None)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=tables, data=st.data())
def test_files_that_come_night_by_night_in_any_order_give_what_they_give_at_once(files: list[Rows], data: Any) -> None:
    order = data.draw(st.permutations(range(len(files))))
    assert loaded(files, order) == loaded(files, None)


def test_when_the_row_that_was_kept_goes_the_others_come_back(tmp_path: Path) -> None:
    contract = books(tmp_path)
    write(tmp_path, 1, [book("1", "x")])
    write(tmp_path, 2, [book("2", "x")])
    load(contract, tmp_path, 1)
    assert ([found[0] for found in documents(tmp_path)], superseded(tmp_path)) == (["2"], [("1.jsonl", 0)])
    (tmp_path / "2.jsonl").unlink()
    load(contract, tmp_path, 2)
    assert ([found[0] for found in documents(tmp_path)], superseded(tmp_path)) == (["1"], [])


def test_the_reason_names_the_column_and_the_row_that_is_kept_and_no_value(tmp_path: Path) -> None:
    contract = books(tmp_path)
    write(tmp_path, 1, [book("1", "x"), book("2", "x")])
    report = load(contract, tmp_path, 1)
    (refusal,) = report.refusals
    assert (refusal.kind, refusal.reasons) == ("superseded", ("isbn repeats the value of 1.jsonl row 1, which is kept",))


def test_rows_without_a_value_do_not_repeat_each_other(tmp_path: Path) -> None:
    contract = books(tmp_path)
    write(tmp_path, 1, [book("1"), book("2"), book("3")])
    assert load(contract, tmp_path, 1).good == 3


def test_a_row_without_a_time_of_change_gives_way_to_one_that_has_one_whichever_comes_first(tmp_path: Path) -> None:
    dated, undated = book("1", changed="2026-01-01") | {"text": "Dated."}, book("1") | {"text": "Undated."}
    for night, content in enumerate(([dated, undated], [undated, dated])):
        root = tmp_path / str(night)
        root.mkdir()
        contract = books(root)
        write(root, 1, content)
        load(contract, root, 1)
        assert [found[1] for found in documents(root)] == ["Dated."]
        assert superseded(root) == [("1.jsonl", content.index(undated))]


def test_a_file_with_another_row_of_a_document_that_lost_by_a_unique_value_is_read_again(tmp_path: Path) -> None:
    """Its row of last night may stand for the document now that the one of tonight does not."""
    contract = books(tmp_path)
    write(tmp_path, 1, [book("1", "w", changed="2026-01-01") | {"text": "Earlier."}])
    load(contract, tmp_path, 1)
    assert [found[1] for found in documents(tmp_path)] == ["Earlier."]
    write(tmp_path, 2, [book("1", "x", changed="2026-01-02"), book("2", "x", changed="2026-01-02")])
    load(contract, tmp_path, 2)
    everything = ([found[:2] for found in documents(tmp_path)], superseded(tmp_path))
    assert everything == loaded_at_once(tmp_path)


def loaded_at_once(root: Path) -> tuple[list[tuple[Any, ...]], list[tuple[str, int]]]:
    """What the same files give in a home of their own."""
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder)
        for path in root.glob("*.jsonl"):
            shutil.copy2(path, other / path.name)
        load(books(other), other, 1)
        return [found[:2] for found in documents(other)], superseded(other)


def test_a_repeated_key_is_told_with_the_key_columns_and_the_row_that_is_kept(tmp_path: Path) -> None:
    contract = books(tmp_path)
    write(tmp_path, 1, [book("1"), book("2"), book("1")])
    (refusal,) = load(contract, tmp_path, 1).refusals
    assert (refusal.kind, refusal.reasons) == ("superseded", ("id repeats the key of 1.jsonl row 2, which is kept",))
    [entry] = source_tables(Home(tmp_path / "home"), "books").quarantine.scan().collect().to_dicts()
    message = "repeats the key of 1.jsonl row 2, which is kept"
    assert json.loads(entry["reasons"]) == [{"rule": "unique", "column": "id", "message": message}]
    assert (entry["item"], entry["row"]) == ("1.jsonl", 0)
    assert json.loads(entry["raw"]).keys() == {"key", "text", "title", "uri", "metadata"}


def test_of_rows_without_a_value_and_with_two_reasons_each_is_told_its_own(tmp_path: Path) -> None:
    """The document 1 loses its newer row by the value, so nobody can say which row its older one repeats."""
    contract = books(tmp_path)
    rows = [
        book("0"),
        book("1", "w", changed="2026-01-01"),
        book("1", "x", changed="2026-01-02"),
        book("2", "x", "p", changed="2026-01-03"),
        book("3", None, "p", changed="2026-01-04"),
    ]
    write(tmp_path, 1, rows)
    load(contract, tmp_path, 1)
    entries = source_tables(Home(tmp_path / "home"), "books").quarantine.scan().collect().sort("row").to_dicts()
    said = {entry["row"]: json.loads(entry["reasons"]) for entry in entries}
    repeats = "repeats the value of 1.jsonl row {}, which is kept"
    assert said == {
        1: [{"rule": "unique", "column": "id", "message": "repeats the key of another row"}],
        2: [{"rule": "unique", "column": "isbn", "message": repeats.format(3)}],
        3: [{"rule": "unique", "column": "code", "message": repeats.format(4)}],
    }
    assert [found[0] for found in documents(tmp_path)] == ["0", "3"]


def test_a_repeated_key_of_two_columns_is_told_with_both(tmp_path: Path) -> None:
    content = table_contract(tmp_path / "*.jsonl", "jsonl", customProperties=limits(100, 100))
    second = column("part", role="key", required=True, primaryKey=True, primaryKeyPosition=2)
    content["schema"][0]["properties"].append(second)
    contract = read_contract(Workspace(tmp_path).contract("books", content))
    write(tmp_path, 1, [{"id": "1", "part": "a", "text": "One."}] * 2)
    (refusal,) = load(contract, tmp_path, 1).refusals
    assert refusal.reasons == ("id, part repeats the key of 1.jsonl row 1, which is kept",)
