"""Parts: the texts to embed as files that workers read, each the work of one task. They go when the run ends.

They lie below RAG_HOME, where every worker sees them; where that is a bucket, in the bucket, and each goes from here as it
is sent. What a killed run left is removed by the next one, which holds the lock of the vectors, and by `rag gc`.
"""

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from rag_pipeline.corpus.missing import Missing
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import private_file, private_folder
from rag_pipeline.home import Home
from rag_pipeline.lake import collected, scan_file, written
from rag_pipeline.mirrored import Exchange, exchange
from rag_pipeline.ours import PART, found, remove
from rag_pipeline.storage.patience import patiently

log = logging.getLogger("rag_pipeline")

FOLDER = "embed-parts"
"""Below the scratch folder. No source can have this name."""

_AT_ONCE = 4
"""Parts on their way to the bucket at a time."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of texts. `characters`: of all its texts, for the progress."""

    name: str
    texts: int
    characters: int


@contextmanager
def parts_of(home: Home, missing: Missing, texts: int) -> Iterator[list[Part]]:
    """The missing texts in parts of so many. Raises `LakeError`, `HomeUnreachable`."""
    folder, there = home.scratch / FOLDER, _there(home)
    remove_parts(home)
    private_folder(home.scratch)
    private_folder(folder)
    # In a bucket workers of a run that lost its lock may still ask by name: they shall not find what is of another run.
    run = f"-{secrets.token_hex(4)}" if there else ""
    parts: list[Part] = []
    try:
        with _carrier(there) as carry:
            for number, batch in enumerate(missing.batches(texts)):
                lengths = batch["text"].str.len_chars()
                part = Part(f"part-{number:06d}{run}.parquet", batch.height, int(lengths.sum()))
                parts.append(part)
                written(batch[lengths.arg_sort(descending=True)].lazy(), private_file(folder / part.name))
                carry(folder / part.name)
        yield parts
    finally:
        _remove_here(folder)
        if there:
            _remove_there(there, [part.name for part in parts])


@contextmanager
def _carrier(there: Exchange | None) -> Iterator[Callable[[Path], None]]:
    """What a part that was written goes to the bucket by, beside the next ones; all are there afterwards."""
    if there is None:
        yield lambda path: None
        return
    under_way: list[Future[None]] = []
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="carry") as threads:

        def carry(path: Path) -> None:
            under_way.append(threads.submit(patiently, partial(there.send, path)))
            if len(under_way) > _AT_ONCE:
                under_way.pop(0).result()

        yield carry
        for one in under_way:
            one.result()


def read_part(folder: Path, name: str) -> pl.DataFrame:
    """A part's texts: `text_hash`, `text`. Raises `LakeError` when it cannot be read, `OSError` when it is not there."""
    return scan_file(folder / name).pipe(collected)


def remove_parts(home: Home, *, dry_run: bool = False) -> list[str]:
    """Remove the parts of a run that ended, here and in the bucket; their names below the home.

    For whoever holds the lock of the vectors, unless `dry_run`.
    """
    folder, there = home.scratch / FOLDER, _there(home)
    left = [name for name in there.waiting() if PART.name.fullmatch(name)] if there else []
    if dry_run:
        left += [path.name for path in found(folder, PART)]
    else:
        if there and left:
            there.remove(left)
        left += _remove_here(folder)
    return [home.name_of(folder / name) for name in left]


def _there(home: Home) -> Exchange | None:
    """Where parts wait for workers that do not see this folder; None where they do."""
    return exchange(home.scratch / FOLDER) if home.uri else None


def _remove_here(folder: Path) -> list[str]:
    parts = found(folder, PART)
    for path in parts:
        remove(path, PART)
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
    return [path.name for path in parts]


def _remove_there(there: Exchange, names: Sequence[str]) -> None:
    """At the end of a run, whatever it ended by: what cannot be removed now is left to the next one."""
    try:
        there.remove(names)
    except PipelineError as error:
        log.warning("%s; parts of texts to embed are left there, and the next run or `rag gc` removes them", error)
