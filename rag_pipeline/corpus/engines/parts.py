"""Parts: the texts to embed as files that workers read, each the work of one task. They go when the run ends.

They lie below RAG_HOME, where every worker sees them. What a killed run left is removed by the next one, which holds the
lock of the vectors, and by `rag gc`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rag_pipeline.corpus.missing import Missing
from rag_pipeline.files import private_file, private_folder
from rag_pipeline.home import Home
from rag_pipeline.lake import collected, scan_file, written
from rag_pipeline.ours import PART, found, remove

FOLDER = "embed-parts"
"""Below the scratch folder. No source can have this name."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of texts. `characters`: of all its texts, for the progress."""

    name: str
    texts: int
    characters: int


@contextmanager
def parts_of(home: Home, missing: Missing, texts: int) -> Iterator[list[Part]]:
    """The missing texts in parts of so many. Raises `LakeError`."""
    folder = home.scratch / FOLDER
    remove_parts(home)
    private_folder(home.scratch)
    private_folder(folder)
    try:
        parts = []
        for number, batch in enumerate(missing.batches(texts)):
            lengths = batch["text"].str.len_chars()
            part = Part(f"part-{number:06d}.parquet", batch.height, int(lengths.sum()))
            written(batch[lengths.arg_sort(descending=True)].lazy(), private_file(folder / part.name))
            parts.append(part)
        yield parts
    finally:
        remove_parts(home)


def read_part(folder: Path, name: str) -> pl.DataFrame:
    """A part's texts: `text_hash`, `text`. Raises `LakeError` when it cannot be read, `OSError` when it is not there."""
    return scan_file(folder / name).pipe(collected)


def remove_parts(home: Home, *, dry_run: bool = False) -> list[str]:
    """Remove the parts of a run that ended; their names below the home."""
    folder = home.scratch / FOLDER
    parts = found(folder, PART)
    for path in parts if not dry_run else ():
        remove(path, PART)
    if not dry_run and folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
    return [home.name_of(path) for path in parts]
