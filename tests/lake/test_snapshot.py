"""What is kept of a table's log is never older than the log."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from rag_pipeline.errors import LakeError
from rag_pipeline.lake import Table, collected
from rag_pipeline.lake.log import entry
from rag_pipeline.lake.snapshot import kept, signature

SCHEMA = pa.schema([("id", pa.string())])


def rows(*ids: str) -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids)})


def ids(table: Table) -> list[str]:
    return sorted(collected(table.scan())["id"])


@pytest.fixture
def table(tmp_path: Path) -> Table:
    found = Table(tmp_path / "lake" / "things", SCHEMA)
    found.append(rows("a"))
    assert ids(found) == ["a"]
    return found


def test_a_log_that_did_not_change_is_not_read_again(table: Table) -> None:
    first = kept(table.path, signature(table.path))
    assert first is not None and first.version == table.version() == 0
    assert ids(table) == ["a"] and kept(table.path, signature(table.path)) is first


def test_what_another_program_commits_is_seen_at_once(table: Table) -> None:
    write_deltalake(str(table.path), pa.table({"id": ["b"]}), mode="append")
    assert table.version() == 1 and ids(table) == ["a", "b"]


def test_an_entry_that_is_emptied_or_removed_afterwards_is_a_loss(table: Table) -> None:
    table.append(rows("b"))
    assert ids(table) == ["a", "b"]
    last = entry(table.path, 1)
    whole = last.read_bytes()
    last.write_bytes(b"")
    lost = table.lost()
    assert lost is not None and "is empty" in str(lost)
    with pytest.raises(LakeError, match="lost a commit"):
        table.scan()
    last.write_bytes(whole)
    assert table.lost() is None and ids(table) == ["a", "b"]


def test_a_note_that_says_otherwise_counts_although_the_log_is_the_same(table: Table) -> None:
    note = table.path / "_checksums" / entry(table.path, 0).name
    note.write_text(note.read_text(encoding="utf-8").replace('"bytes": ', '"bytes": 9'), encoding="utf-8")
    assert "bytes instead of" in str(table.lost())


def test_a_table_made_anew_at_the_same_place_is_another(table: Table, tmp_path: Path) -> None:
    table.path.rename(tmp_path / "aside")
    assert not table.exists and ids(table) == []
    table.append(rows("z"))
    assert ids(table) == ["z"]
