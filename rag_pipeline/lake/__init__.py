"""The tables in which everything but the index is stored: Delta tables below `RAG_HOME/lake`, Arrow in and out.

One commit is one atomic change, durable before the call returns; a killed process or a power cut leaves the last commit.
This package knows no table by name: each stage declares its own schemas. Code that computes a frame over tables uses
`collected`, so that every failure there is reported in one way.
"""

from rag_pipeline.lake.buckets import in_buckets, spread
from rag_pipeline.lake.examine import Damage, drop, examine, readable_rows
from rag_pipeline.lake.fingerprints import RowsFingerprint, fingerprint_rows
from rag_pipeline.lake.fragments import Fragment, made_fragment, write_fragment
from rag_pipeline.lake.log import tables_aside
from rag_pipeline.lake.plain import plain
from rag_pipeline.lake.table import OP, Table, all_tables
from rag_pipeline.lake.wall import collected, guarded, in_batches, rows_of, scan_file, written

__all__ = [
    "OP",
    "Damage",
    "Fragment",
    "RowsFingerprint",
    "Table",
    "all_tables",
    "collected",
    "drop",
    "examine",
    "fingerprint_rows",
    "guarded",
    "in_batches",
    "in_buckets",
    "made_fragment",
    "plain",
    "readable_rows",
    "rows_of",
    "scan_file",
    "spread",
    "tables_aside",
    "write_fragment",
    "written",
]
