"""The home of its own that attempts are built in: the documents as they are stored, and vectors that are shared.

It lies at `tries/work` below the home, and only a try and what sweeps up after it look into it. Data files of documents
are linked, not copied, so that it costs next to nothing; what is written here are other files. The home is only read.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from rag_pipeline.corpus.query_vectors import query_vectors_table
from rag_pipeline.corpus.sound import unsound_vectors
from rag_pipeline.corpus.tables import VECTORS, chunks_table, vectors_table
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import Table, collected
from rag_pipeline.ours import DATA_FILE
from rag_pipeline.release.tries import empty_workshop
from rag_pipeline.settings import Settings

_ROWS = 4_096
_A_MOMENT_S = 600.0


@contextmanager
def workshop(settings: Settings, sources: Sequence[str]) -> Iterator[Home]:
    """The workshop with the documents of now, for one try at a time; vectors stay there for the next one, texts do not.

    Raises `PipelineError` when another try is at work, or no document is stored.
    """
    home, work = settings.home, settings.home.workshop
    if not any(source_tables(home, source).documents.exists for source in sources):
        raise PipelineError(f"nothing was refreshed yet, so {home} holds no document to try anything on; run `rag refresh`")
    with home.exclusive("tries", wait_s=0):
        claim_home(settings.model_copy(update={"home": work}))
        empty_workshop(work)
        try:
            for source in sources:
                _documents_as_they_are(home, work, source)
            if home.chosen_retrieval.is_file():  # so that what the others are compared with retrieves as production does
                shutil.copyfile(home.chosen_retrieval, work.chosen_retrieval)
            yield work
        finally:
            empty_workshop(work)


def share_vectors(home: Home, work: Home, model: str) -> None:
    """Have the workshop know the vectors of its chunks' texts that the home has; `model`: a fingerprint."""
    wanted = chunks_table(work).scan().select("text_hash").unique().pipe(collected)
    _share(vectors_table, home, work, model, wanted["text_hash"])


def share_query_vectors(home: Home, work: Home, model: str, texts: Sequence[str]) -> None:
    """The same of questions, which are known by their texts."""
    _share(query_vectors_table, home, work, model, pl.Series([fingerprint(text) for text in texts], dtype=pl.String))


def _share(of: Callable[[Home], Table], home: Home, work: Home, model: str, hashes: pl.Series) -> None:
    """Copy the rows that are wanted and not there yet; one that is not what was written is left out, and embedded anew."""
    here, there = of(work), of(home)
    here.heal()
    mine = pl.col("model") == model
    known = here.scan().filter(mine).select("text_hash").pipe(collected)["text_hash"]
    missing = hashes.unique().filter(~hashes.unique().is_in(known.implode()))
    if missing.is_empty() or not there.exists:
        return
    rows = there.scan().filter(mine & pl.col("text_hash").is_in(missing.implode()))
    taken: set[str] = set()
    for batch in there.batches(rows, _ROWS):
        sound = _sound(batch.unique("text_hash").filter(~pl.col("text_hash").is_in(list(taken))))
        if sound.height:
            here.append(sound)
            taken.update(sound["text_hash"])


def _sound(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose vectors are what was written, with every column of today."""
    parts = [pl.Series(~unsound_vectors(part)) for part in rows.to_arrow().combine_chunks().to_batches()]
    sound = rows.filter(pl.concat(parts)) if parts else rows
    missing = [pl.lit(None, pl.Int64).alias(name) for name in VECTORS.names if name not in sound.columns]
    return sound.with_columns(missing)


def _documents_as_they_are(home: Home, work: Home, source: str) -> None:
    """Have the workshop hold one source as it is stored at this moment, with its loads and what was erased of it."""
    with home.exclusive_source(source, wait_s=_A_MOMENT_S):
        for of_home, of_work in (
            (home.documents, work.documents),
            (home.loads, work.loads),
            (home.erased, work.erased),
        ):
            if (of_home / source).is_dir():
                shutil.copytree(of_home / source, of_work / source, copy_function=_linked)


def _linked(file: str, target: str) -> None:
    """A data file is never written twice, so a second name for it will do; all others, the log's, are copied."""
    if DATA_FILE.made(Path(file)):
        try:
            os.link(file, target)
        except OSError:  # another disk, or one that knows no links
            pass
        else:
            return
    shutil.copy2(file, target)
