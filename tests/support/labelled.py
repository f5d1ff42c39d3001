"""Releases whose rows are divided by who may read them, and those of the permitted rows alone, to compare with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from rag_pipeline.contracts.labels import LABELS, labels_of
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.home import Home
from rag_pipeline.index.build import build_release
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.ingest.tables import DOCUMENTS, source_tables
from tests.support.small_releases import NOW, SMALL, chunker, document, recipe

Page = tuple[str, str | None]
"""Its text, and what its column with the role access says; None: it is of a source without such a column."""


def hold_pages(home: Home, pages: Mapping[str, Page]) -> None:
    """Make the tables hold these pages, as a load leaves them: those without labels in a source of their own."""
    for source, labelled in (("open", False), ("closed", True)):
        rows = [_row(source, key, *page) for key, page in pages.items() if (page[1] is not None) == labelled]
        source_tables(home, source).documents.overwrite(pa.Table.from_pylist(rows, DOCUMENTS))
    update_chunks(home, ["open", "closed"], chunker())


def _row(source: str, key: str, text: str, access: str | None) -> dict[str, object]:
    metadata = {} if access is None else {LABELS: labels_of(access)}
    return document(source, key, text, metadata=json.dumps(metadata | {"team": key[:1]}, sort_keys=True))


def labelled_release(home: Home, pages: Mapping[str, Page]) -> Manifest:
    """The release of these pages, by an encoder that counts words."""
    hold_pages(home, pages)
    update_embeddings(home, SMALL, SMALL.load)  # type: ignore[arg-type]
    return build_labelled(home)


def build_labelled(home: Home) -> Manifest:
    """The release of what the tables hold; questions may be narrowed by `team`, the first letter of a page's name."""
    made = recipe(sources=("open", "closed"))
    sources = {name: one.model_copy(update={"filterable": ("team",)}) for name, one in made.sources.items()}
    return build_release(home, replace(made, sources=sources), run_id="test", now=NOW).manifest


def permitted(pages: Mapping[str, Page], reads: Sequence[str]) -> dict[str, Page]:
    """The pages that whoever was granted these words may read, by the rule as it is written down."""
    return {key: page for key, page in pages.items() if _may_read(page[1], set(reads))}


def _may_read(access: str | None, reads: set[str]) -> bool:
    if "all" in reads:
        return True
    return "public" in reads if access is None else bool(reads & set(labels_of(access)))
