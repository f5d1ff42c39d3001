"""The tables that ingest owns: documents, quarantine, listings and the history of loads, one set for each source."""

from dataclasses import dataclass

import pyarrow as pa

from rag_pipeline.home import Home
from rag_pipeline.lake import Table

_TIME = pa.timestamp("us", "UTC")

DOCUMENTS = pa.schema(
    [
        ("document_id", pa.string()),  # <source>/<key>
        ("key", pa.string()),
        ("text", pa.string()),
        ("title", pa.string()),
        ("uri", pa.string()),
        ("modified_at", _TIME),
        ("metadata", pa.string()),  # JSON object: the columns without a role
        ("content_hash", pa.string()),  # of what retrieval sees: text, title, uri, metadata
        ("row_hash", pa.string()),  # of all that is stored, modified_at too
        ("item", pa.string()),  # the file, topic or module it came from
        ("contract_id", pa.string()),
        ("contract_version", pa.string()),
        ("run_id", pa.string()),  # the run that wrote this state of it
    ]
)

QUARANTINE = pa.schema(
    [
        ("quarantine_id", pa.string()),  # of source, item, place in the item and raw values
        ("item", pa.string()),
        ("row", pa.int64()),  # place in the item, from 0
        ("status", pa.string()),  # open | resolved
        ("kind", pa.string()),  # refused | superseded | unreadable
        ("reasons", pa.string()),  # JSON list of {rule, column, message}
        ("raw", pa.string()),  # JSON object of the values as found: restricted
        ("contract_id", pa.string()),
        ("contract_version", pa.string()),
        ("rules_fingerprint", pa.string()),
        ("run_id", pa.string()),
        ("first_seen_at", _TIME),
        ("resolved_at", _TIME),
    ]
)

LISTING = pa.schema(
    [
        ("item", pa.string()),
        ("version", pa.string()),
        ("reader", pa.string()),  # rules and connector version it was read with
        ("settled", pa.bool_()),  # False: read again next time, its key stands in two items
        ("documents", pa.int64()),  # stored of it when this was written; null: an older version did not say
        ("documents_sum", pa.int64()),  # of their hashes
        ("refusals", pa.int64()),  # open ones; neither documents nor refusals: it was read and gave nothing
        ("refusals_sum", pa.int64()),
        ("account", pa.string()),  # JSON: what its document shows and the text lacks; null: taken as it is, or not known
    ]
)

LOADS = pa.schema(
    [
        ("sequence", pa.int64()),  # from 1; what orders the loads of a source. Null: of an older version, by `at`
        ("at", _TIME),  # by the clock of the machine, which may have been wrong
        ("run_id", pa.string()),
        ("outcome", pa.string()),  # accepted | unchanged | held
        ("reason", pa.string()),
        ("contract_id", pa.string()),
        ("contract_version", pa.string()),
        ("documents", pa.int64()),
        ("refused", pa.int64()),
        ("superseded", pa.int64()),
        ("rows_in", pa.int64()),  # of this load: good + rows_refused + superseded + expired
        ("good", pa.int64()),
        ("rows_refused", pa.int64()),
        ("expired", pa.int64()),
        ("purged", pa.int64()),
        ("lost", pa.int64()),  # items whose rows the tables had lost and that could not be read again: only when held
        ("broken", pa.string()),  # JSON list: quality rules of severity error that do not hold
        ("data_version", pa.string()),
        ("not_read", pa.string()),  # JSON: files no connector reads, by suffix; null: the feed could not be listed
    ]
)


ERASED = pa.schema(
    [
        ("content_hash", pa.string()),  # of a document's version that may not be kept; empty: the document had left before
        ("why", pa.string()),  # retention | asked
        ("run_id", pa.string()),
        ("at", _TIME),
    ]
)


@dataclass(frozen=True, slots=True)
class SourceTables:
    """Where one source's tables lie."""

    documents: Table
    quarantine: Table
    listing: Table
    loads: Table
    erased: Table
    """Append-only: what has to be gone, without a word of it (see erase.py)."""


def source_tables(home: Home, source: str) -> SourceTables:
    return SourceTables(
        documents=Table(home.documents / source, DOCUMENTS),
        quarantine=Table(home.quarantine / source, QUARANTINE),
        listing=Table(home.listings / source, LISTING),
        loads=Table(home.loads / source, LOADS),
        erased=Table(home.erased / source, ERASED, derived=False),
    )
