"""Which columns of a table a contract can describe, and whether they have names at all."""

import re
from collections import Counter
from dataclasses import dataclass

from rag_pipeline.contracts.read_columns import column_name_problem
from rag_pipeline.errors import PipelineError
from rag_pipeline.ingest.draft.private import held_in
from rag_pipeline.ingest.draft.sample import Sample
from rag_pipeline.ingest.profile import ColumnProfile, profile_columns

MOST_COLUMNS = 300
_LONG_NESTED = 1_000
"""Characters of JSON, on average, from which on lists and objects are no metadata: the vectors of another index, say."""

_VALUE = re.compile(r"-?\d+([.,]\d+)?|\d{4}-\d\d-\d\d.*|https?://\S+|.{65,}")
_NAME = re.compile(r"_*(id|key|uuid|path|slug|url|name|title|text|body|content|date|.*_id)", re.IGNORECASE)
"""What hardly is a column's name, and what hardly is anything else."""


@dataclass(frozen=True, slots=True)
class Usable:
    """`left_out`: the other columns by name ("" for one that has none or that may not be told), and why."""

    columns: tuple[ColumnProfile, ...]
    left_out: tuple[tuple[str, str], ...]


def usable_columns(sample: Sample, form: str | None, place: str) -> Usable:
    """The columns of a sample. Raises `PipelineError` when a CSV file has no line of names; then none of it is told."""
    filled = Counter(name for row in sample.rows for name in row)
    names = list(dict.fromkeys([*sample.names, *filled]))
    private = {name for name in names if held_in(name)}
    if form == "csv" and (private or (any(map(_VALUE.fullmatch, names)) and not any(map(_NAME.fullmatch, names)))):
        raise PipelineError(
            f"{place}: the first line looks like values, not like names of columns; give the file a header line"
        )
    usable, left_out = [], []
    if len(names) > MOST_COLUMNS:
        left_out.append(("", f"{len(names) - MOST_COLUMNS:,} columns that fewer rows have than the others"))
        fullest = {name for name, _ in filled.most_common(MOST_COLUMNS)}
        names = [name for name in names if name in fullest]
    if private:
        left_out.append(("", f"columns whose names hold private data: {len(private):,}"))
    for column in profile_columns(sample.rows, (name for name in names if name not in private)):
        if why := _why_not(column):
            left_out.append((column.name.strip() and column.name, why))
        else:
            usable.append(column)
    return Usable(tuple(usable), tuple(left_out))


def _why_not(column: ColumnProfile) -> str:
    if not column.name.strip():
        return "a column without a name"
    if problem := column_name_problem(column.name):
        return f"{problem}; rename it in the feed, or describe it under another name with this as physicalName"
    if column.nested and column.mean_length > _LONG_NESTED:
        return f"lists or objects, {column.mean_length:,.0f} characters of JSON in a row"
    return ""
