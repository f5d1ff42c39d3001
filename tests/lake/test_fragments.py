"""Files that one process writes and another commits: all of a fragment is in the table, or nothing of it."""

import os
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from rag_pipeline.errors import LakeError
from rag_pipeline.lake import Fragment, Table, write_fragment

SCHEMA = pa.schema([("model", pa.string()), ("text_hash", pa.string()), ("vector", pa.list_(pa.float32()))])


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "vectors", SCHEMA, partition_by=("model",))


def rows(*hashes: str, model: str = "m1") -> pa.Table:
    return pa.Table.from_pylist([{"model": model, "text_hash": one, "vector": [0.5, 1.5]} for one in hashes], SCHEMA)


def stored(table: Table) -> list[tuple[str, str, list[float]]]:
    return sorted(table.scan().select("model", "text_hash", "vector").collect().rows())


def test_a_fragment_is_in_the_table_when_it_is_committed_and_not_before(table: Table) -> None:
    fragment = write_fragment(table.path, rows("a", "b"), {"model": "m1"})
    assert (table.exists, table.rows(), stored(table)) == (False, 0, [])
    table.commit([fragment], why={"run_id": "r1"})
    assert stored(table) == [("m1", "a", [0.5, 1.5]), ("m1", "b", [0.5, 1.5])]
    assert table.rows() == 2
    table.append(rows("c", model="m2"))
    assert table.rows() == 3
    assert [file.parent.name for file in table.files(model="m1")] == ["model=m1"]
    assert [one.get("run_id") for one in DeltaTable(str(table.path)).history()] == [None, "r1", None], (
        "made, committed, appended"
    )


def test_the_same_fragment_twice_is_there_once(table: Table) -> None:
    fragment = write_fragment(table.path, rows("a"), {"model": "m1"})
    table.commit([fragment])
    table.commit([fragment, write_fragment(table.path, rows("b"), {"model": "m1"})])
    assert [text for _, text, _ in stored(table)] == ["a", "b"]


def test_another_commit_in_between_is_no_reason_to_lose_one(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.commit([write_fragment(table.path, rows("a"), {"model": "m1"})])
    real, failures = DeltaTable.create_write_transaction, [CommitFailedError("somebody was first")] * 2

    def first_twice_not(self: DeltaTable, *args: object, **more: object) -> None:
        if failures:
            raise failures.pop()
        real(self, *args, **more)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", first_twice_not)
    table.commit([write_fragment(table.path, rows("b"), {"model": "m1"})])
    assert [text for _, text, _ in stored(table)] == ["a", "b"]
    failures += [CommitFailedError("somebody was first")] * 3
    with pytest.raises(LakeError, match="changed by another process meanwhile"):
        table.commit([write_fragment(table.path, rows("c"), {"model": "m1"})])


def test_tidying_joins_fragments_and_removes_those_nobody_committed(table: Table) -> None:
    kept = [write_fragment(table.path, rows(name), {"model": "m1"}) for name in "abc"]
    orphan = table.path / write_fragment(table.path, rows("x"), {"model": "m1"}).path
    for fragment in kept:
        table.commit([fragment])
    for file in table.path.rglob("*.parquet"):
        os.utime(file, (time.time() - 90 * 86_400,) * 2)
    assert table.tidy(1, dry_run=True) == [orphan.relative_to(table.path).as_posix()]
    table.tidy(1)
    assert not orphan.exists()
    assert [text for _, text, _ in stored(table)] == ["a", "b", "c"]


def test_it_has_less_bytes_than_delta_rs_makes_of_the_same_rows(table: Table) -> None:
    import numpy as np

    vectors = np.random.default_rng(1).normal(size=(2_000, 384)).astype(np.float32)
    many = pl.DataFrame({"model": "m1", "text_hash": [f"{n:032x}" for n in range(2_000)], "vector": vectors.tolist()})
    arrow = many.to_arrow().cast(SCHEMA)
    table.append(arrow)
    (theirs,) = table.files()
    assert write_fragment(table.path, arrow, {"model": "m1"}).size_bytes < theirs.stat().st_size


def test_what_is_not_a_column_value_of_the_partition_is_told_by_its_action() -> None:
    action = Fragment("model=m1/part.parquet", 3, 99, (("model", "m1"),)).action
    assert (action.path, action.size, action.partition_values) == ("model=m1/part.parquet", 99, {"model": "m1"})
    assert action.stats == '{"numRecords": 3}'
