"""A source's tables after a power cut: back to the version before a commit that was lost.

What is missing then is found like any other loss: the listing is compared with what the tables hold, item by item.
"""

from rag_pipeline.ingest.tables import LISTING, SourceTables


def heal_source(tables: SourceTables) -> list[str]:
    """What was lost of a source's tables, in words.

    For whoever holds the lock of the source. Raises `LakeError` where going back is for a person to decide.
    """
    healed = (table.heal() for table in (tables.documents, tables.quarantine, tables.listing, tables.loads))
    return [says for says in healed if says]


def read_again(tables: SourceTables) -> None:
    """Have the next load read every item of a source."""
    if tables.listing.exists:
        tables.listing.overwrite(LISTING.empty_table())
