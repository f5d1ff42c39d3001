"""What a person looks at to see what got worse: the query, what was expected, and the results before and now."""

from collections.abc import Iterable

from rag_pipeline.evaluate.evidence import Example, Passage
from rag_pipeline.evaluate.measure import Measured
from rag_pipeline.golden.resolve import ResolvedSet
from rag_pipeline.index.retrieve import OpenRelease

WORST = 10
_PASSAGES = 3
_CHARACTERS = 500


def worst_queries(differences: dict[str, float]) -> list[str]:
    """The queries that lost most, worst first, no more than a person reads."""
    lost = sorted((value, query) for query, value in differences.items() if value < 0)
    return [query for _, query in lost[:WORST]]


def examples(
    living: ResolvedSet,
    differences: dict[str, float],
    release: OpenRelease,
    mine: Measured,
    production: OpenRelease,
    theirs: Measured,
) -> list[Example]:
    """The queries that lost most, with the passages that explain it."""
    worst = worst_queries(differences)
    now, before = (_passages(one, measured, worst, living) for one, measured in ((release, mine), (production, theirs)))
    return [
        Example(
            query=query,
            text=living.golden.queries[query],
            difference=round(differences[query], 6),
            expected=_expected(living, query),
            production=before[query],
            candidate=now[query],
        )
        for query in worst
    ]


def _expected(living: ResolvedSet, query: str) -> list[Passage]:
    quoted = [
        Passage(document=one.document, text=_short(one.quote), relevant=True)
        for one in living.references.get(query, ())
        if one.grade > 0
    ]
    judged = sorted(living.qrels[query].items(), key=lambda item: (-item[1], item[0]))
    whole = [Passage(document=document, text="", relevant=True) for document, grade in judged if grade > 0]
    return (quoted or whole)[:_PASSAGES]


def _passages(release: OpenRelease, measured: Measured, queries: list[str], living: ResolvedSet) -> dict[str, list[Passage]]:
    """query id -> its first chunks, all looked up in one pass over the release's."""
    if not queries:
        return {}
    first = {query: measured.chunks[query][:_PASSAGES] for query in queries}
    chunks = release.look_up(chunk_id for ranking in first.values() for chunk_id, _ in ranking)
    return {
        query: [
            Passage(
                document=chunks[chunk_id].document_id,
                text=_short(chunks[chunk_id].text),
                relevant=living.qrels[query].get(chunks[chunk_id].document_id, 0) > 0,
                score=round(score, 4),
            )
            for chunk_id, score in ranking
        ]
        for query, ranking in first.items()
    }


def _short(text: str) -> str:
    return text if len(text) <= _CHARACTERS else text[:_CHARACTERS].rsplit(" ", 1)[0] + " …"


def unjudged(living: ResolvedSet, retrieved: dict[str, list[str]], depth: int = 10, most: int = 50) -> list[tuple[str, str]]:
    """(query id, document id) that come first among those nobody judged: the next to judge."""
    open_pairs = [
        (rank, query, document)
        for query, documents in retrieved.items()
        for rank, document in enumerate(documents[:depth])
        if document not in living.golden.qrels.get(query, {})
    ]
    return [(query, document) for _, query, document in sorted(open_pairs)[:most]]


def overlap(mine: dict[str, list[str]], theirs: dict[str, list[str]], depth: int = 10) -> float | None:
    """Mean share of production's first documents that are among the release's too; None without queries."""
    shares = [_share(mine[query][:depth], documents[:depth]) for query, documents in theirs.items() if documents]
    return sum(shares) / len(shares) if shares else None


def _share(mine: Iterable[str], theirs: list[str]) -> float:
    return len(set(mine) & set(theirs)) / len(theirs)
