"""Whether stored vectors are what the model gave: a flipped bit causes no error, only wrong answers."""

import zlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.corpus.tables import VECTORS

_ONE = 0.01
"""How far from 1 the length of a vector may be: models give them normalised, in 16 bits to one part in a thousand."""


def vector_rows(model: str, hashes: pa.Array, vectors: Vectors) -> pa.Table:
    """Rows of a table of vectors, each with its checksum.

    Numbers go from the model's own array to Arrow as they lie, without a copy.
    """
    width = vectors.shape[1]
    offsets = pa.array(np.arange(0, (len(hashes) + 1) * width, width, dtype=np.int32))
    values = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1)))
    rows = zip(hashes.to_pylist(), np.ascontiguousarray(vectors, dtype=np.float32), strict=True)
    sums = pa.array([_checksum(text_hash, vector) for text_hash, vector in rows], pa.int64())
    models = pa.repeat(pa.scalar(model), len(hashes))
    return pa.Table.from_arrays([models, hashes.cast(pa.string()), values, sums], schema=VECTORS)


def other_vectors(batch: pa.RecordBatch) -> NDArray[np.bool_]:
    """Rows of a table of vectors whose checksum is not theirs. Rows from before there were checksums have none."""
    found = np.zeros(batch.num_rows, dtype=np.bool_)
    if "crc32" not in batch.schema.names or batch["crc32"].null_count == batch.num_rows:
        return found
    flat, starts = batch["vector"].flatten().to_numpy(), _starts(batch)
    for row, (text_hash, crc) in enumerate(zip(batch["text_hash"].to_pylist(), batch["crc32"].to_pylist(), strict=True)):
        found[row] = crc is not None and _checksum(text_hash or "", flat[starts[row] : starts[row + 1]]) != crc
    return found


def unsound_vectors(batch: pa.RecordBatch) -> NDArray[np.bool_]:
    """Rows of a table of vectors that no index should hold: with another checksum, or of a length that is not 1."""
    flat, starts = batch["vector"].flatten().to_numpy(), _starts(batch)
    pairs = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.array([np.linalg.norm(flat[first:last]) for first, last in pairs])
    sound: NDArray[np.bool_] = np.abs(lengths - 1) < _ONE  # NaN is no length either
    return ~sound | other_vectors(batch)


def _starts(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Where each vector begins among the numbers of all of them, and where the last ends."""
    lengths = batch["vector"].value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _checksum(text_hash: str, vector: Vectors) -> int:
    return zlib.crc32(np.ascontiguousarray(vector).data, zlib.crc32(text_hash.encode()))
