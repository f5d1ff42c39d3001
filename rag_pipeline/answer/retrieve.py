"""What an answer is made from: the chunks that a release retrieves for a question, and how near they are to it."""

from collections.abc import Sequence

from rag_pipeline.answer.cited import passages_of
from rag_pipeline.answer.select import AROUND, Retrieved, Selected, select
from rag_pipeline.index.manifest import Mode
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query


def retrieved(reader: OpenRelease, query: Query, hits: Sequence[Hit], k: int) -> Retrieved:
    """`hits`: the best `AROUND` chunks, in the order that the release retrieves them; the answer comes from the first `k`.

    Cosines are asked for once more, because the scores of hits are no cosines where words or a re-ranker count.
    """
    cosines = None
    if query.vector is not None:
        cosines = dict(reader.ranked([query], max(AROUND, len(hits)), "dense")[0])
    return Retrieved(passages_of(hits[:k]), tuple(hit.text for hit in hits[k:]), cosines)


def answer(reader: OpenRelease, query: Query, k: int, mode: Mode | None = None) -> tuple[list[Hit], Selected]:
    """The best `k` chunks and the sentences of them that answer. Raises as `OpenRelease.search` does."""
    hits = reader.search(query, max(k, AROUND), mode)
    found = retrieved(reader, query, hits, k)
    return hits[:k], select(query.text, found, reader.manifest.lexical.language)
