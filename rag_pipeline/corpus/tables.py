"""The tables that corpus owns: chunks and vectors."""

import pyarrow as pa

from rag_pipeline.home import Home
from rag_pipeline.lake import Table

CHUNKS = pa.schema(
    [
        ("chunk_id", pa.string()),  # of document id, text, ordinal among equal texts of the document
        ("document_id", pa.string()),
        ("source", pa.string()),
        ("text", pa.string()),  # equals the document's text[start:end], to the letter
        ("text_hash", pa.string()),
        ("start", pa.int64()),  # characters into the document
        ("end", pa.int64()),
        ("heading", pa.string()),  # path of headings above it, " > " between
        ("title", pa.string()),
        ("uri", pa.string()),
        ("metadata", pa.string()),  # JSON object, from the document
        ("payload_hash", pa.string()),  # of all that is served beside the text
        ("document_hash", pa.string()),  # content hash of the document it was cut from
        ("chunker", pa.string()),  # fingerprint of the way it was cut
        ("parts", pa.int64()),  # chunks its document was cut into, so that a lost one is noticed
    ]
)

VECTORS = pa.schema(
    [
        ("model", pa.string()),  # model fingerprint
        ("text_hash", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("crc32", pa.int64()),  # of the text's hash and the vector's bytes; null in rows from before there was one
    ]
)


def chunks_table(home: Home) -> Table:
    return Table(home.chunks, CHUNKS, partition_by=("source",))


def vectors_table(home: Home) -> Table:
    """Append-only: a vector once computed is never computed again, whatever happens to its chunk."""
    return Table(home.vectors, VECTORS, partition_by=("model",))
