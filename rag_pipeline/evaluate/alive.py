"""Which judgments of a golden set can still be met: the document is there, and the quoted passage stands in it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from rag_pipeline.evaluate.evidence import Unresolved
from rag_pipeline.evaluate.golden import GoldenSet, Reference
from rag_pipeline.evaluate.quotes import Folded, find
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import collected


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the sources hold now of what golden sets judge: document ids, and the texts of those that are quoted."""

    documents: set[str]
    texts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Alive:
    """A golden set without the judgments no release can meet any more."""

    golden: GoldenSet
    qrels: dict[str, dict[str, int]]
    """query id -> document id -> grade; a query left without a relevant document is not in it"""
    unresolved: tuple[Unresolved, ...] = ()
    """Judgments taken out, and why."""
    moved: int = 0
    """Quotes found, but elsewhere than they were judged, or spelt a little differently."""
    references: dict[str, tuple[Reference, ...]] = field(default_factory=dict)
    """query id -> passages that resolve"""

    @property
    def judgments(self) -> int:
        """Quoted passages, and documents that are judged without a quote."""
        passages = self.golden.references
        whole = [
            grades.keys() - {one.document for one in passages.get(query, ())} for query, grades in self.golden.qrels.items()
        ]
        return sum(map(len, passages.values())) + sum(map(len, whole))

    @property
    def unresolved_percent(self) -> float:
        return 100 * len(self.unresolved) / self.judgments if self.judgments else 0.0


def corpus_for(home: Path, sources: list[str], golden_sets: tuple[GoldenSet, ...]) -> Corpus:
    """The judged documents the sources hold now, with the texts of those that some golden set quotes."""
    judged = {document for golden in golden_sets for document in golden.judged_documents}
    quoted = {reference.document for golden in golden_sets for found in golden.references.values() for reference in found}
    documents: set[str] = set()
    texts: dict[str, str] = {}
    for source in sources:
        stored = source_tables(home, source).documents.scan()
        asked = pl.Series([document for document in judged if document.startswith(f"{source}/")], dtype=pl.String)
        found = stored.select("document_id").filter(pl.col("document_id").is_in(asked.implode())).pipe(collected)
        documents.update(found["document_id"])
        if mine := [document for document in quoted if document.startswith(f"{source}/")]:
            rows = stored.filter(pl.col("document_id").is_in(mine)).select("document_id", "text").pipe(collected)
            texts.update(rows.iter_rows())
    return Corpus(documents, texts)


def alive(golden: GoldenSet, corpus: Corpus) -> Alive:
    """Take out judgments whose document or passage is gone; a query left without a relevant one is taken out too."""
    pages: dict[str, Folded] = {}
    unresolved: list[Unresolved] = []
    passages: dict[str, tuple[Reference, ...]] = {}
    qrels: dict[str, dict[str, int]] = {}
    moved = 0
    for query, judged in golden.qrels.items():
        quoted, living = golden.references.get(query, ()), []
        for one in quoted:
            if one.document not in corpus.texts:
                unresolved.append(Unresolved(query=query, document=one.document, status="dead", quote=one.quote))
                continue
            if one.document not in pages:
                pages[one.document] = Folded(corpus.texts[one.document])
            found = find(pages[one.document], one.quote, one.start)
            if found is None:
                unresolved.append(Unresolved(query=query, document=one.document, status="stale", quote=one.quote))
                continue
            moved += not found.exact or found.start != _begin(one, found.start)
            living.append(one)
        if living:
            passages[query] = tuple(living)
        whole = judged.keys() - {one.document for one in quoted}
        gone = [document for document in judged if document in whole - corpus.documents]
        unresolved += [Unresolved(query=query, document=document, status="dead") for document in gone]
        left = {
            document: grade if document in whole else _left(grade, document, quoted, living)
            for document, grade in judged.items()
            if document not in gone
        }
        grades = {document: grade for document, grade in left.items() if grade is not None}
        if any(grade > 0 for grade in grades.values()):
            qrels[query] = grades
    return Alive(golden, qrels, tuple(unresolved), moved, passages)


def _begin(reference: Reference, found: int) -> int:
    """Where its first word was judged to stand; where it was found, if nobody said."""
    if reference.start is None:
        return found
    return reference.start + len(reference.quote) - len(reference.quote.lstrip())


def _left(grade: int, document: str, quoted: Iterable[Reference], living: Iterable[Reference]) -> int | None:
    """What a quoted document is still worth: no more than its best passage that is left; None without any."""
    before = [one.grade for one in quoted if one.document == document]
    now = [one.grade for one in living if one.document == document]
    if not now:
        return None
    return grade if max(now) == max(before) else min(grade, max(now))
