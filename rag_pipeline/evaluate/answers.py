"""What the answers of a release are worth on golden sets, without a judge: sentences against judged passages, refusals.

Only what serves without a language model is measured here: whole sentences of the passages. It measures and chooses bounds;
it moves nothing, and the gate reads none of it.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rag_pipeline.answer.bounds import Bounds, Chosen, bounds_of, choose
from rag_pipeline.answer.cited import Citation, stands
from rag_pipeline.answer.retrieve import retrieved
from rag_pipeline.answer.select import AROUND, PASSAGES, Selected, select
from rag_pipeline.corpus.model import Model, Vectors
from rag_pipeline.corpus.query_vectors import query_vectors
from rag_pipeline.evaluate.bench import Bench
from rag_pipeline.evaluate.chunk_spans import Places, places_of
from rag_pipeline.evaluate.measure import wanted_of
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.resolve import ResolvedSet, corpus_for, resolve
from rag_pipeline.golden.unanswerable import read_unanswerable
from rag_pipeline.home import Home
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query
from rag_pipeline.metrics.spans import Span, by_document, common, size

HALF = 0.5
"""A sentence is right when it shares this much of itself, or of a judged passage, with a judged passage."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One question, its answer before any refusal, and what is known of it."""

    query: str
    text: str
    selected: Selected
    answerable: bool
    found: bool
    """Whether something judged relevant is among the passages."""
    wanted: tuple[Span, ...]
    """Judged passages; empty where whole documents were judged."""
    said: tuple[str, ...]
    """Their texts."""
    valid: int
    """Citations that stand in their passage to the letter."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the answers to one golden set come to. Shares are 0 to 1; None where there was nothing to count."""

    questions: int
    found: int
    unanswerable: int
    citations: int
    valid_citations: int
    refused_wrongly: float | None
    """Share of the questions whose passage was retrieved."""
    refused_rightly: float | None
    """Share of the unanswerable ones."""
    right_sentence: float | None
    """Share of the questions whose judged passage was retrieved: a right sentence is among those selected."""
    quote_precision: float | None
    quote_recall: float | None
    """Mean shares of characters: of what is quoted that was judged, of what was judged that is quoted."""
    retrieve_ms: float
    answer_ms: float
    """Milliseconds of CPU a question: to retrieve with its vector at hand, and what its answer takes beyond that."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Every question of one golden set with its answer, and the figures."""

    name: str
    answers: tuple[Answered, ...]
    figures: Figures


@dataclass(frozen=True, slots=True)
class AnswersOf:
    """The answers of one release."""

    release: str
    bounds: Bounds
    sets: tuple[Measured, ...]
    proposed: Bounds | None = field(default=None)
    """What these golden sets would choose; None where they have too few answerable questions."""


def measure_answers(home: Home, release_id: str, model: Model, golden_sets: Sequence[GoldenSet], evals: Path) -> AnswersOf:
    """Answer every question of some golden sets from one release.

    Raises `ReleaseError` when it cannot be opened, `GoldenSetError` for questions that cannot be read.
    """
    with ExitStack() as stack:
        bench = Bench.open(stack, home, release_id, model, all_modes=False)
        manifest = bench.release.manifest
        bounds = bounds_of(home, manifest.model.fingerprint, manifest.model.name)
        corpus = corpus_for(home, list(manifest.sources), tuple(golden_sets))
        found = tuple(
            _measured(bench, resolve(golden, corpus), read_unanswerable(evals / golden.name), bounds)
            for golden in golden_sets
        )
    usable = [one.selected for each in found for one in each.answers if one.answerable and one.found]
    return AnswersOf(release_id, bounds, found, choose(usable))


def chosen(found: AnswersOf, model: str, now: datetime) -> Chosen | None:
    """What to keep of the bounds that were proposed. `model`: fingerprint. None where nothing was proposed."""
    if found.proposed is None:
        return None
    names = tuple(one.name for one in found.sets)
    questions = sum(one.figures.found for one in found.sets)
    return Chosen(model=model, bounds=found.proposed, questions=questions, golden_sets=names, release=found.release, at=now)


def is_right(citation: Citation, wanted: Sequence[Span], said: Sequence[str] = ()) -> bool:
    """Whether a quote is one of the judged passages, or half of one, or lies in one by half.

    `said`: texts of judged passages. Where a document says the same twice, each of both places is right.
    """
    if any(text in citation.quote or citation.quote in text for text in said):
        return True
    for document, start, end in wanted:
        if document == citation.document_id:
            shared = min(end, citation.end) - max(start, citation.start)
            if shared > 0 and shared >= HALF * min(end - start, citation.end - citation.start):
                return True
    return False


def figures_of(answers: Sequence[Answered], bounds: Bounds, spent: "Spent") -> Figures:
    """What the answers of one golden set come to."""
    living = [one for one in answers if one.answerable]
    found, nothing = [one for one in living if one.found], [one for one in answers if not one.answerable]
    judged = [one for one in found if one.wanted]
    quotes = [_quotes(one) for one in judged]
    return Figures(
        questions=len(living),
        found=len(found),
        unanswerable=len(nothing),
        citations=sum(len(sentence.citations) for one in answers for sentence in one.selected.sentences),
        valid_citations=sum(one.valid for one in answers),
        refused_wrongly=_share([bounds.refuse(one.selected) for one in found]),
        refused_rightly=_share([bounds.refuse(one.selected) for one in nothing]),
        right_sentence=_share([has_right_sentence(one) for one in judged]),
        quote_precision=_share([precision for precision, _ in quotes]),
        quote_recall=_share([recall for _, recall in quotes]),
        retrieve_ms=round(1000 * spent.retrieving_s / max(1, len(answers)), 3),
        answer_ms=round(1000 * spent.answering_s / max(1, len(answers)), 3),
    )


@dataclass(slots=True)
class Spent:
    """Seconds of CPU of this process."""

    retrieving_s: float = 0.0
    answering_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is known of a question: documents that are relevant, passages that are; neither of an unanswerable one."""

    documents: frozenset[str] = frozenset()
    wanted: tuple[Span, ...] = ()
    said: tuple[str, ...] = ()


def _measured(bench: Bench, living: ResolvedSet, unanswerable: Mapping[str, str], bounds: Bounds) -> Measured:
    golden, spent = living.golden, Spent()
    reader = bench.release.readable_by(golden.reads)
    asked = [(query, golden.queries[query], True) for query in living.qrels]
    asked += [(query, text, False) for query, text in unanswerable.items()]
    vectors = _vectors(bench, [text for _, text, _ in asked])
    quoted = {one.document for found in living.references.values() for one in found}
    places = places_of(bench.home, bench.release.manifest, (), quoted)
    answers = [
        _answered(
            reader,
            (query, Query(text, vectors.get(text))),
            _judged(living, query, places) if answerable else None,
            spent,
        )
        for query, text, answerable in asked
    ]
    return Measured(golden.name, tuple(answers), figures_of(answers, bounds, spent))


def _vectors(bench: Bench, texts: list[str]) -> dict[str, Vectors]:
    """text -> vector, none where words alone are asked for."""
    if set(bench.modes) == {"lexical"} or not texts:
        return {}
    found = query_vectors(bench.home, bench.release.manifest.model.fingerprint, bench.load, texts)
    return dict(zip(texts, found, strict=True))


def _judged(living: ResolvedSet, query: str, places: Places) -> _Judged:
    quoted = wanted_of(living, query)
    documents = frozenset(document for document, grade in living.qrels[query].items() if grade > 0)
    return _Judged(documents, tuple(places.passages(quoted)), tuple(one.quote for one in quoted))


def _answered(reader: OpenRelease, asked: tuple[str, Query], judged: _Judged | None, spent: Spent) -> Answered:
    query, question = asked
    began = time.process_time()
    hits = reader.search(question, AROUND)
    searched = time.process_time()
    found = retrieved(reader, question, hits, PASSAGES)
    selected = select(question.text, found, reader.manifest.lexical.language)
    spent.retrieving_s += searched - began
    spent.answering_s += time.process_time() - searched
    cited = [citation for sentence in selected.sentences for citation in sentence.citations]
    return Answered(
        query=query,
        text=question.text,
        selected=selected,
        answerable=judged is not None,
        found=judged is not None and _is_found(hits[:PASSAGES], judged),
        wanted=judged.wanted if judged else (),
        said=judged.said if judged else (),
        valid=sum(stands(one, found.passages) for one in cited),
    )


def _is_found(hits: Sequence[Hit], judged: _Judged) -> bool:
    """Whether a passage holds half of a judged one; or is of a relevant document, where no passages were judged."""
    if not judged.wanted:
        return any(hit.document_id in judged.documents for hit in hits)
    return any(
        hit.document_id == document and min(end, hit.end) - max(start, hit.start) > HALF * (end - start)
        for hit in hits
        for document, start, end in judged.wanted
    )


def has_right_sentence(one: Answered) -> bool:
    """Whether one of the sentences that were selected is right."""
    cited = [citation for sentence in one.selected.sentences for citation in sentence.citations]
    return any(is_right(citation, one.wanted, one.said) for citation in cited)


def _quotes(one: Answered) -> tuple[float, float]:
    """(precision, recall) of the characters that are quoted."""
    said = [
        (citation.document_id, citation.start, citation.end)
        for sentence in one.selected.sentences
        for citation in sentence.citations
    ]
    quoted, wanted = by_document(said), by_document(one.wanted)
    shared = sum(size(common(intervals, quoted.get(document, []))) for document, intervals in wanted.items())
    read, total = sum(map(size, quoted.values())), sum(map(size, wanted.values()))
    return (shared / read if read else 0.0), (shared / total if total else 0.0)


def _share(values: Sequence[float | bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
