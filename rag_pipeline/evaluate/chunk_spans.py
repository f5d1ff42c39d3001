"""Where the chunks of one release are: in which documents, from which character to which."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from rag_pipeline.golden.quotes import Folded, find
from rag_pipeline.golden.read import Reference
from rag_pipeline.home import Home
from rag_pipeline.index.fusion import Ranking
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.lake import collected
from rag_pipeline.metrics.spans import Span


@dataclass(frozen=True, slots=True)
class Places:
    """Chunks of a release by id, and the texts of the documents its golden sets quote, as the release holds them."""

    spans: dict[str, Span]
    """chunk id -> where it stands"""
    texts: dict[str, Folded]

    def span(self, chunk_id: str) -> Span:
        return self.spans[chunk_id]

    def best_documents(self, ranking: Ranking, k: int) -> list[str]:
        """The `k` documents whose best chunk comes first; of equal ones the smaller id."""
        best: dict[str, float] = {}
        for chunk_id, score in ranking:
            if len(best) >= k and score < min(best.values()):
                break
            best.setdefault(self.spans[chunk_id][0], score)
        return sorted(best, key=lambda document: (-best[document], document))[:k]

    def passages(self, references: Iterable[Reference]) -> list[Span]:
        """Where quoted passages stand in this release's own texts; one it does not hold stands where no chunk does."""
        spans: list[Span] = []
        missing = 0
        for one in references:
            text = self.texts.get(one.document)
            if found := find(text, one.quote, one.start) if text else None:
                spans.append((one.document, found.start, found.end))
            else:  # one behind the other, since characters that overlap would count once
                spans.append((_NOWHERE, missing, missing + len(one.quote)))
                missing += len(one.quote)
        return spans


_NOWHERE = ""
"""No document has this id, so what stands there is never retrieved but counts as wanted."""


def places_of(home: Home, manifest: Manifest, chunk_ids: Iterable[str], quoted: set[str]) -> Places:
    """Read from the release's own chunks, those asked for only. `quoted`: documents whose text is wanted.

    Raises `ReleaseError` when they are not the ones it was built from.
    """
    chunks = contents(home.release(manifest.id), manifest)
    wanted = pl.Series(sorted(set(chunk_ids)), dtype=pl.String)
    rows = chunks.filter(pl.col("chunk_id").is_in(wanted.implode())).select("chunk_id", "document_id", "start", "end")
    pieces = (
        chunks.filter(pl.col("document_id").is_in(sorted(quoted))).select("document_id", "start", "text").pipe(collected)
    )
    texts: dict[str, list[tuple[int, str]]] = {}
    for document, start, text in pieces.iter_rows():
        texts.setdefault(document, []).append((start, text))
    return Places(
        spans={row[0]: row[1:] for row in rows.pipe(collected).iter_rows()},
        texts={document: Folded(whole(parts)) for document, parts in texts.items()},
    )


def whole(pieces: list[tuple[int, str]]) -> str:
    """A document's text from (start, text) of its chunks; what no chunk holds, blanks in most cases, is blank."""
    parts: list[str] = []
    end = 0
    for start, piece in sorted(pieces):
        parts += [" " * (start - end), piece[max(0, end - start) :]]
        end = max(end, start + len(piece))
    return "".join(parts)
