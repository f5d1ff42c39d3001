"""Rows of a table's file in the types that the table declares, whoever wrote the file."""

import pyarrow as pa

_PLAIN = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}


def plain(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows. A file that Delta wrote again, to remove rows, has views of strings, which little of Arrow takes."""
    return rows.cast(pa.schema([field.with_type(_PLAIN.get(field.type, field.type)) for field in rows.schema]))
