"""The memory of the process that says what to embed: a million texts and more, in tables made for it.

`.venv/bin/python -m benchmarks.embed_memory --texts 1000000`: the comparison of the documents with the chunks (a document
has four; first none is to be cut, then all are), the report of the chunks, the check that each is a span of its document,
the comparison with the vectors, the parts of those that are missing, the reading back, and the check of the asset, each in a
process of its own. MB are the most that it ever held (VmHWM), with Python and its libraries; "start" is these alone.
`--stored .9` has nine of ten texts embedded already. The vectors have four numbers: only their hashes are read here.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from rag_pipeline.corpus.checks import chunks_outside_their_document, chunks_without_vector
from rag_pipeline.corpus.chunks import _report
from rag_pipeline.corpus.engines.parts import parts_of
from rag_pipeline.corpus.missing import find_missing, wrongly_stored
from rag_pipeline.corpus.outdated import outdated
from rag_pipeline.corpus.tables import CHUNKS, VECTORS, chunks_table, vectors_table
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import DOCUMENTS, source_tables
from rag_pipeline.settings import PROJECT

MODEL = "m" * 32
STEPS = ("start", "documents", "report", "spans", "compare", "parts", "check")
_ROWS = 100_000
_CHUNKS = 4
_WORDS = "the release that serves was evaluated byte for byte before a channel moved to it " * 4
_LENGTH = len(_WORDS) + 32


def store(home: Home, texts: int, stored: float) -> None:
    generator = np.random.default_rng(1)
    for start in range(0, texts, _ROWS):
        count = min(_ROWS, texts - start)
        hashes = [generator.bytes(16).hex() for _ in range(count)]
        rows = pl.DataFrame({"text_hash": hashes}).with_columns(
            chunk_id=pl.col("text_hash").str.reverse(),
            document_id=pl.lit("docs/") + (pl.int_range(start, start + count) // _CHUNKS).cast(pl.String),
            source=pl.lit("docs"),
            text=pl.lit(_WORDS) + pl.col("text_hash"),
            payload_hash=pl.col("text_hash").str.slice(0, 16),
            start=pl.int_range(start, start + count) % _CHUNKS * _LENGTH,
            end=(pl.int_range(start, start + count) % _CHUNKS + 1) * _LENGTH,
            parts=pl.lit(_CHUNKS),
            **{name: pl.lit("x" * 32) for name in ("heading", "title", "uri", "metadata", "document_hash", "chunker")},
        )
        chunks_table(home).append(rows.select(CHUNKS.names).to_arrow().cast(CHUNKS))
        whole = rows.group_by("document_id", maintain_order=True).agg(pl.col("text").str.join(""))
        others = {name: pl.lit("x" * 32) for name in DOCUMENTS.names if name not in ("document_id", "text", "modified_at")}
        stored_documents = whole.with_columns(modified_at=pl.lit(datetime(2026, 3, 1, tzinfo=UTC)), **others)
        documents = source_tables(home, "docs").documents
        documents.append(stored_documents.select(DOCUMENTS.names).to_arrow().cast(DOCUMENTS))
        if known := hashes[: int(count * stored)]:
            vectors = pl.DataFrame({"model": MODEL, "text_hash": known, "vector": [[0.5] * 4] * len(known), "crc32": None})
            vectors_table(home).append(vectors.to_arrow().cast(VECTORS))


def step(home: Home, name: str) -> None:
    """One step, as the assets do it."""
    if name == "report":
        _report(home, chunks_table(home).scan().select("chunk_id"), 0, Counter())
    elif name == "documents":
        for whole in ("x" * 32, "another way"):  # none is to be cut, and then all are
            with outdated(home, ["docs"], chunks_table(home), {"docs": whole}) as found:
                read = sum(batch.height for batch in found.cut(200))
                gone = sum(len(some) for some in found.ids_removed(1_000))
            print(found.documents, found.to_cut.total(), read, gone)
    elif name == "spans":
        print(len(chunks_outside_their_document(home, ["docs"])))
    elif name == "check":
        broken = chunks_without_vector(home, MODEL)
        print(len(broken))
    elif name != "start":
        missing = find_missing(chunks_table(home), vectors_table(home), MODEL, home.scratch)
        if name == "parts":
            with parts_of(home, missing, 8_192) as parts:
                print(len(parts))
            print(wrongly_stored(vectors_table(home), missing, MODEL, home.scratch))
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"step": name, "mb": int(line.split()[1]) // 1024, "cpu_s": round(time.process_time(), 1)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--stored", type=float, default=0.99, help="share of the texts that have a vector")
    parser.add_argument("--work", type=Path, default=Path("/tmp/rag-embed-memory"))
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    home = Home(asked.work)
    if asked.step:
        step(home, asked.step)
        return
    shutil.rmtree(asked.work, ignore_errors=True)
    store(home, asked.texts, asked.stored)
    for name in STEPS:
        command = [sys.executable, "-m", "benchmarks.embed_memory", "--step", name, "--work", str(asked.work)]
        subprocess.run(command, check=True, cwd=PROJECT)
    shutil.rmtree(asked.work)


if __name__ == "__main__":
    main()
