"""What Delta, Polars and Arrow raise, and the words for it: how a table is called, and the first line of an error."""

from pathlib import Path
from typing import Any

import polars as pl

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import LAKE, RELEASES

PANIC = "PanicException"
"""A panic of Rust is no `Exception`: it would pass through Dagster too, and leave a run that never ends."""

HOW_TO_FIX = "`rag verify` says what is damaged, `rag verify --repair` fixes it"


def name_of(path: Path) -> str:
    """What to call a table, or a file, by: its path below RAG_HOME."""
    parts = path.parts
    known = [place for place, part in enumerate(parts) if part in (LAKE, RELEASES)]
    return f"the {'table' if path.suffix != '.parquet' else 'file'} {'/'.join(parts[known[-1] :] if known else parts[-2:])}"


def one_line(error: BaseException) -> str:
    """The first line of what a library says, with its kind."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def is_of_a_library(error: BaseException) -> bool:
    """Whether an error comes from one of the libraries below the tables, or from the system below them."""
    if isinstance(error, PipelineError | KeyboardInterrupt | SystemExit | GeneratorExit):
        return False
    return type(error).__name__ == PANIC or isinstance(error, _kinds())


def _kinds() -> tuple[Any, ...]:
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    return DeltaError, pl.exceptions.PolarsError, pa.ArrowException, OSError
