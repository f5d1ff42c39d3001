"""A golden set against the documents that are loaded: judgments that cannot be met, queries that quote their answer."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rag_pipeline.golden.quoted_answers import Words, quoted
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.resolve import corpus_for, resolve
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.golden.words import words
from rag_pipeline.home import Home
from rag_pipeline.ingest.tables import source_tables

_DOCUMENTS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Dead:
    """Judgments no release can meet any more, of those `checked`; `not_loaded`: judged sources without a document."""

    dead: tuple[Unresolved, ...]
    checked: int
    not_loaded: tuple[str, ...]

    @property
    def percent(self) -> float:
        return 100 * len(self.dead) / self.checked if self.checked else 0.0


def dead_judgments(golden: GoldenSet, home: Home, sources: Sequence[str]) -> Dead:
    """What the loaded documents say of each judgment; a source of a contract that was never loaded says nothing."""
    empty = {source for source in sources if not source_tables(home, source).documents.exists}
    judged = [document for grades in golden.qrels.values() for document in grades]
    if golden.references and any(golden.references.values()):
        judged = [one.document for quotes in golden.references.values() for one in quotes]
    if len(empty) == len(sources):
        return Dead((), 0, tuple(sorted({_source(document) for document in judged})))
    living = resolve(golden, corpus_for(home, list(sources), (golden,)))
    return Dead(
        tuple(one for one in living.unresolved if _source(one.document) not in empty),
        sum(_source(document) not in empty for document in judged),
        tuple(sorted(empty & {_source(document) for document in judged})),
    )


def answers_quoted(golden: GoldenSet, home: Home) -> dict[str, tuple[str, str]]:
    """Query id -> (document judged relevant, words of the query that stand in it so), in the order of the set."""
    asked = {query: words(text) for query, text in golden.queries.items()}
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for query, grades in golden.qrels.items():
        for document, grade in grades.items():
            if grade > 0:
                wanted[document].append(query)
    found: dict[str, tuple[str, str]] = {}
    for source in sorted({_source(document) for document in wanted}):
        table = source_tables(home, source).documents
        mine = sorted(document for document in wanted if _source(document) == source)
        rows = table.scan().filter(pl.col("document_id").is_in(mine)).select("document_id", "text")
        for frame in table.batches(rows, _DOCUMENTS_AT_ONCE):
            for document, text in frame.sort("document_id").iter_rows():
                held = Words(text)
                for query in wanted[document]:
                    if query not in found and (run := quoted(asked[query], held)):
                        found[query] = (document, run)
    return {query: found[query] for query in golden.queries if query in found}


def _source(document: str) -> str:
    return document.partition("/")[0]
