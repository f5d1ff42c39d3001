"""Which judgments of a golden set can still be met: the document is there, and the quoted passage is in it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from rag_pipeline.golden.quotes import Folded, find
from rag_pipeline.golden.read import GoldenSet, Reference
from rag_pipeline.golden.unresolved import Status, Unresolved
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import collected

UNSEEN = "without its passage: "
"""How a document is called that is retrieved in vain; no document's id, so that no judgment is about it."""

Judgment = tuple[str, str, str, str]
"""`Unresolved.judgment`"""


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the sources hold now of what golden sets judge: document ids, and the texts of those that are quoted."""

    documents: set[str]
    texts: dict[str, str]


@dataclass(frozen=True, slots=True)
class ResolvedSet:
    """A golden set without the judgments no release can meet any more."""

    golden: GoldenSet
    qrels: dict[str, dict[str, int]]
    """query id -> document id -> grade; a query left without a relevant document is not in it"""
    unresolved: tuple[Unresolved, ...] = ()
    """Judgments taken out, and why."""
    moved: int = 0
    """Quotes found, but elsewhere than they were judged, or spelt a little differently."""
    references: dict[str, tuple[Reference, ...]] = field(default_factory=dict)
    """query id -> passages that resolve, or vanished"""
    vanished: tuple[Unresolved, ...] = ()
    """Those of `unresolved` that another release can meet: their documents or passages left the sources since it was built.

    They are not taken out but lost, so `qrels` and `references` hold them (`evaluate.vanished`).
    """
    unseen: frozenset[tuple[str, str]] = frozenset()
    """(query id, document id): the document is still there, but no passage of it that answers."""

    def seen(self, lists: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """What a release retrieves, as judgments see it: a document that lost its passage answers no more."""
        return {
            query: [f"{UNSEEN}{one}" if (query, one) in self.unseen else one for one in documents]
            for query, documents in lists.items()
        }

    @property
    def as_it_was(self) -> "ResolvedSet":
        """The same set for the release that can meet what vanished."""
        return replace(self, unseen=frozenset())

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


def corpus_for(home: Home, sources: list[str], golden_sets: tuple[GoldenSet, ...]) -> Corpus:
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


def resolve(golden: GoldenSet, corpus: Corpus, put_back: Collection[Judgment] = ()) -> ResolvedSet:
    """Take out judgments whose document or passage is gone; a query left without a relevant one is taken out too.

    `put_back`: those that are gone and count all the same, as vanished.
    """
    pages: dict[str, Folded] = {}
    unresolved: list[Unresolved] = []
    back = frozenset(put_back)
    passages: dict[str, tuple[Reference, ...]] = {}
    qrels: dict[str, dict[str, int]] = {}
    moved = 0
    for query, judged in golden.qrels.items():
        quoted, living = golden.references.get(query, ()), []
        for one in quoted:
            if one.document in corpus.texts and one.document not in pages:
                pages[one.document] = Folded(corpus.texts[one.document])
            page = pages.get(one.document)
            found = find(page, one.quote, one.start) if page is not None else None
            if found is None:
                status: Status = "dead" if page is None else "stale"
                unresolved.append(Unresolved(query=query, document=one.document, status=status, quote=one.quote))
                living += [one] if unresolved[-1].judgment in back else []
                continue
            moved += not found.exact or found.start != _begin(one, found.start)
            living.append(one)
        if living:
            passages[query] = tuple(living)
        whole = judged.keys() - {one.document for one in quoted}
        dead = [
            Unresolved(query=query, document=document, status="dead")
            for document in judged
            if document in whole - corpus.documents
        ]
        unresolved += dead
        gone = {one.document for one in dead if one.judgment not in back}
        left = {
            document: grade if document in whole else _left(grade, document, quoted, living)
            for document, grade in judged.items()
            if document not in gone
        }
        grades = {document: grade for document, grade in left.items() if grade is not None}
        if any(grade > 0 for grade in grades.values()):
            qrels[query] = grades
    vanished = tuple(one.model_copy(update={"quote": ""}) for one in unresolved if one.judgment in back)
    return ResolvedSet(golden, qrels, tuple(unresolved), moved, passages, vanished)


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
