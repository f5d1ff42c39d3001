"""Golden sets in memory, and releases opened to measure them on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from rag_pipeline.evaluate.bench import Bench
from rag_pipeline.golden.read import About, GoldenSet, Reference
from rag_pipeline.golden.resolve import ResolvedSet, corpus_for, resolve
from rag_pipeline.home import Home
from tests.support.small_releases import SmallModel

Qrels = Mapping[str, Mapping[str, int]]


def doc(name: str, source: str = "handbook") -> str:
    return f"{source}/{name}.md"


def quote(document: str, text: str, start: int | None = None, grade: int = 1) -> Reference:
    return Reference(document, text, start, grade)


def golden(qrels: Qrels, slices: dict[str, dict[str, str]] | None = None, **about: Any) -> GoldenSet:
    """A set that judges whole documents; the ids of its queries are the queries."""
    fields: dict[str, Any] = {"slices": ["kind"], "metrics": ["nDCG@10", "hit@1"], **about}
    said = About(description="test", owner="docs@example.com", **fields)
    judged = {query: dict(grades) for query, grades in qrels.items()}
    return GoldenSet("small", said, {query: query for query in qrels}, judged, slices=slices or {}, fingerprint="f")


def quoting(references: Mapping[str, Sequence[Reference]], qrels: Qrels | None = None, **about: Any) -> GoldenSet:
    """A set that quotes; documents are judged as their best passage is, unless `qrels` says otherwise."""
    grades: dict[str, dict[str, int]] = {query: {} for query in references}
    for query, quoted in references.items():
        for one in quoted:
            grades[query][one.document] = max(one.grade, grades[query].get(one.document, 0))
    made = golden(qrels or grades, **about)
    kept = {query: tuple(quoted) for query, quoted in references.items()}
    return GoldenSet(made.name, made.about, made.queries, made.qrels, references=kept, fingerprint="f")


def living(home: Home, one: GoldenSet, sources: Sequence[str] = ("handbook",)) -> ResolvedSet:
    """A set held against what the sources hold now."""
    return resolve(one, corpus_for(home, list(sources), (one,)))


@contextmanager
def on_bench(home: Home, release_id: str, *, all_modes: bool = True, model: SmallModel | None = None) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench.open(stack, home, release_id, model or SmallModel(), all_modes=all_modes)  # type: ignore[arg-type]
