"""Lists without the documents that an earlier release could not have, so that a growing corpus is not punished for growing.

A new document that nobody judged pushes judged ones down, and nobody knows whether it answers better than they do. To see
what a release loses against an earlier one, it is taken out of the list and what follows moves up. (Condensed lists: Sakai,
"Alternatives to Bpref", SIGIR 2007, who takes out what is not judged.)
"""

from collections.abc import Container, Iterable, Mapping, Sequence

import polars as pl

from rag_pipeline.evaluate.metrics_again import score_again
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.lake import collected
from rag_pipeline.metrics.documents import PerQuery
from rag_pipeline.metrics.spans import is_span_metric

DEEP = 30
"""Documents that are kept of each list: ten are left, where two of three that come first are new."""


def known_documents(home: Home, release_id: str, asked: Iterable[str]) -> frozenset[str]:
    """The documents among these that a release holds, read from its own chunks in one pass.

    Raises `ReleaseError` when it is not kept any more, or its chunks are not the ones it was built from: then nobody knows.
    """
    folder = home.release(release_id)
    chunks = contents(folder, read_manifest(folder))
    wanted = pl.Series(sorted(set(asked)), dtype=pl.String)
    rows = chunks.select("document_id").filter(pl.col("document_id").is_in(wanted.implode())).unique()
    return frozenset(rows.pipe(collected)["document_id"])


def known_of(home: Home, release_id: str, lists: Iterable[Mapping[str, Sequence[str]]]) -> frozenset[str]:
    """The same of the documents in some lists."""
    return known_documents(home, release_id, {one for every in lists for found in every.values() for one in found})


def condense(documents: Sequence[str], known: Container[str]) -> list[str]:
    """A list, best first, without the documents that are not known; the others keep their order."""
    return [document for document in documents if document in known]


def condensed(lists: Mapping[str, Sequence[str]], known: Container[str]) -> dict[str, list[str]]:
    """The same of every query's list."""
    return {query: condense(documents, known) for query, documents in lists.items()}


def condensed_scores(
    metrics: Iterable[str],
    qrels: Mapping[str, Mapping[str, int]],
    lists: Mapping[str, Sequence[str]],
    known: Container[str],
) -> PerQuery:
    """What the condensed lists score, by those metrics that can be taken of them: of passages none can, and judged@k is no
    score. `lists`: as deep as they are kept, so that a metric's first k are left after condensing."""
    names = [name for name in metrics if not is_span_metric(name) and not name.startswith("judged@")]
    return score_again(names, qrels, condensed(lists, known))
