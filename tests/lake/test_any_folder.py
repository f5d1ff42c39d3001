"""A lake below a folder of any name: every way in and out of a table, and a release's Parquet file."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.lake import OP, Table, all_tables, collected, examine, scan_file, written
from tests.support.folder_names import UGLY

ROWS = pa.schema([("key", pa.string()), ("kind", pa.string()), ("number", pa.int64())])


def rows(*numbers: int, kind: str = "a b/c=d%20") -> pa.Table:
    return pa.Table.from_pylist([{"key": f"k{number}", "kind": kind, "number": number} for number in numbers], ROWS)


def held(table: Table) -> list[int]:
    return sorted(table.scan().select("number").pipe(collected)["number"])


def every_way(table: Table) -> None:
    """Append, merge, delete, remove, overwrite, tidy, examine: each leaves what it says."""
    assert not table.exists
    assert held(table) == []
    table.append(rows(1, 2, 3))
    table.append(rows(4, kind="other"))
    assert held(table) == [1, 2, 3, 4]
    assert sorted(set(table.scan().select("kind").pipe(collected)["kind"])) == ["a b/c=d%20", "other"]
    changed = rows(2, 9).append_column(OP, pa.array(["delete", "upsert"]))
    table.merge(changed.to_reader(), "key")
    assert held(table) == [1, 3, 4, 9]
    table.delete("number = 4")
    assert table.remove(rows(3).select(["key"]), ("key",)) == 1
    assert held(table) == [1, 9]
    assert examine(table) == []
    before = table.version()
    table.tidy(1)
    assert table.tidy(1, dry_run=True) == []
    assert held(table) == [1, 9]
    assert table.version() >= before
    assert [one.path for one in all_tables(table.path.parent)] == [table.path]
    table.overwrite(rows(7))
    assert held(table) == [7]
    assert sum(frame.height for frame in table.batches(table.scan(), 1)) == 1
    assert all(file.is_file() and file.is_relative_to(table.path) for file in table.files())
    assert examine(table) == []


@pytest.mark.parametrize("name", UGLY)
def test_every_way_in_and_out_of_a_table_below_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    every_way(Table(tmp_path / name / "lake" / "things", ROWS, partition_by=("kind",)))
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing was written beside it"


@pytest.mark.parametrize("name", UGLY)
def test_a_table_of_any_name_too(tmp_path: Path, name: str) -> None:
    table = Table(tmp_path / "lake" / name, ROWS)
    table.append(rows(1))
    table.merge(rows(2).append_column(OP, pa.array(["upsert"])).to_reader(), "key")
    assert held(table) == [1, 2]
    assert [path.name for path in (tmp_path / "lake").iterdir()] == [name]


@pytest.mark.parametrize("name", UGLY)
def test_a_release_s_rows_below_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    written(pl.LazyFrame({"chunk_id": ["one"], "a": [1]}), folder / "chunks.parquet")
    assert scan_file(folder / "chunks.parquet").pipe(collected).to_dicts() == [{"chunk_id": "one", "a": 1}]


names = st.text(st.characters(codec="utf-8", exclude_characters="/\x00\n\r"), min_size=1, max_size=20)


@given(name=names.filter(lambda name: name not in (".", "..") and len(name.encode()) < 250))
@settings(max_examples=25)
def test_below_whatever_name(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    table = Table(tmp_path_factory.mktemp("any") / name / "things", ROWS, partition_by=("kind",))
    table.append(rows(1, 2))
    table.merge(rows(3).append_column(OP, pa.array(["upsert"])).to_reader(), "key")
    assert held(table) == [1, 2, 3]
    assert examine(table) == []
