"""What a look at a feed says: how much was looked at, why there was nothing, and which columns a contract can describe."""

import re
from collections import Counter
from dataclasses import dataclass

from rag_pipeline.contracts.read_columns import column_name_problem
from rag_pipeline.drafting.private import held_in
from rag_pipeline.drafting.profile import ColumnProfile, profile_columns
from rag_pipeline.errors import PipelineError
from rag_pipeline.extraction.kinds import unread
from rag_pipeline.feeds.sample import Sample
from rag_pipeline.feeds.server import Server

MOST_COLUMNS = 300
_LONG_NESTED = 1_000
"""Characters of JSON, on average, from which on lists and objects are no metadata: the vectors of another index, say."""

_VALUE = re.compile(r"-?\d+([.,]\d+)?|\d{4}-\d\d-\d\d.*|https?://\S+|.{65,}")
_NAME = re.compile(r"_*(id|key|uuid|path|slug|url|name|title|text|body|content|date|.*_id)", re.IGNORECASE)
"""What hardly is a column's name, and what hardly is anything else."""


def how_much(sample: Sample, server: Server, rows_are: str) -> str:
    """How much of a feed was looked at."""
    if server.documents:
        more = f"of {sample.listed:,} or more" if sample.listed > sample.looked_at else "there are more"
        said = f"{sample.looked_at:,} {rows_are} ({'all that are there' if sample.whole else more})"
    else:
        several = server.many_rows and sample.listed > 1
        items = f" in {sample.looked_at:,} of {sample.listed:,} {server.items_are}" if several else ""
        said = f"{len(sample.rows) + sample.broken:,} rows{items} ({'all there are' if sample.whole else 'there are more'})"
    if sample.too_large:
        said += f", without {sample.too_large:,} files too large for a look"
    if lost := sample.broken + sample.unreadable:
        said += f", of which {lost:,} cannot be read"
    if left_out := sample.account.says:
        said += f", whose texts lack {left_out} (of {sample.account.shown:,} words)"
    if sample.not_read:
        said += f"; files of kinds that are not read: {unread(sample.not_read)}"
    return said


def why_nothing(sample: Sample, server: Server, place: str) -> PipelineError:
    """The error for a feed in which not one row was found."""
    if lost := sample.broken + sample.unreadable + sample.too_large:
        return PipelineError(f"{place}: none of the {lost:,} looked at can be read; the first: {sample.problem}")
    return PipelineError(server.why_empty(place, sample))


@dataclass(frozen=True, slots=True)
class Usable:
    """`left_out`: the other columns by name ("" for one that has none or that may not be told), and why."""

    columns: tuple[ColumnProfile, ...]
    left_out: tuple[tuple[str, str], ...]


def usable_columns(sample: Sample, place: str) -> Usable:
    """The columns of a sample. Raises `PipelineError` when a file has no line of their names; then none of it is told."""
    filled = Counter(name for row in sample.rows for name in row)
    names = list(dict.fromkeys([*sample.names, *filled]))
    private = {name for name in names if held_in(name)}
    if sample.headed and (private or (any(map(_VALUE.fullmatch, names)) and not any(map(_NAME.fullmatch, names)))):
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
