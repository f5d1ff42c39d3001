"""The data files that a version of a Delta table consists of."""

from pathlib import Path
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from rag_pipeline.errors import LakeError
from rag_pipeline.lake.library_errors import HOW_TO_FIX, name_of
from rag_pipeline.lake.snapshot import DataFile


def data_files(delta: DeltaTable, path: Path) -> list[DataFile]:
    """The files of a table that lies at `path`. Raises `LakeError` when its log asks for what this reader cannot do."""
    if delta.protocol().reader_features:
        raise LakeError(f"{name_of(path)} was changed by another program, in a way this one cannot read; {HOW_TO_FIX}")
    actions = pl.DataFrame(delta.get_add_actions(flatten=True)).to_dicts()
    columns = delta.metadata().partition_columns
    return [
        (
            path / unquote(one["path"]),
            {name: one[f"partition.{name}"] for name in columns},
            one.get("num_records"),
        )
        for one in actions
    ]
