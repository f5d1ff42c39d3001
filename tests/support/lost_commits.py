"""What a power cut, a careless hand or a set-back table takes from the lake: the kinds of loss, each as one function."""

import shutil
from collections.abc import Callable
from pathlib import Path

from deltalake import DeltaTable


def last_log(table: Path) -> Path:
    return sorted((table / "_delta_log").glob("*.json"))[-1]


def empty_last_commit(table: Path) -> None:
    """What a power cut leaves of a file nobody fsynced: its name, and no byte."""
    last_log(table).write_bytes(b"")


def drop_last_commit(table: Path) -> None:
    last_log(table).unlink()


def drop_a_row(table: Path) -> None:
    delta = DeltaTable(str(table))
    column = next(name for name in ("document_id", "quarantine_id", "item", "run_id", "text_hash") if name in _names(delta))
    value = delta.to_pyarrow_table()[column].to_pylist()[-1]
    delta.delete(f"{column} = '{value}'")


def drop_all_rows(table: Path) -> None:
    DeltaTable(str(table)).delete()


def remove_the_table(table: Path) -> None:
    shutil.rmtree(table)


def _names(delta: DeltaTable) -> set[str]:
    return {field.name for field in delta.schema().fields}


HARMS: dict[str, Callable[[Path], None]] = {
    "the last commit emptied": empty_last_commit,
    "the last commit gone": drop_last_commit,
    "a row gone": drop_a_row,
    "every row gone": drop_all_rows,
    "the table gone": remove_the_table,
}
