"""A source's tables after a power cut: back to the version before a commit that was lost, and everything read again."""

from rag_pipeline.ingest.tables import LISTING, SourceTables


def heal_source(tables: SourceTables) -> list[str]:
    """What was lost of a source's tables, in words. Its next load reads every item again, since none is known to be stored.

    For whoever holds the lock of the source. Raises `LakeError` where going back is for a person to decide.
    """
    stored = (tables.documents, tables.quarantine, tables.listing)
    if any(table.lost() for table in stored):  # the listing first: killed in between, nothing may look as if it was read
        told = [tables.listing.heal()]
        read_again(tables)
        told += [tables.documents.heal(), tables.quarantine.heal()]
    else:
        told = []
    return [says for says in (*told, tables.loads.heal()) if says]


def read_again(tables: SourceTables) -> None:
    """Have the next load read every item of a source."""
    if tables.listing.exists:
        tables.listing.overwrite(LISTING.empty_table())
