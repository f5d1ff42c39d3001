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

import numpy as np

from rag_pipeline.answer.bounds import Bounds, Chosen, bounds_of, choose
from rag_pipeline.answer.cited import Citation, Cited, stands
from rag_pipeline.answer.retrieve import retrieved
from rag_pipeline.answer.select import AROUND, PASSAGES, Selected, select
from rag_pipeline.corpus.model import Model, Vectors
from rag_pipeline.corpus.query_vectors import query_vectors
from rag_pipeline.evaluate.bench import Bench
from rag_pipeline.evaluate.chunk_spans import Places, places_of
from rag_pipeline.evaluate.judged_quotes import HALF, is_right, precision_and_recall
from rag_pipeline.evaluate.measure import wanted_of
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.reference_answers import read_answers
from rag_pipeline.golden.resolve import ResolvedSet, corpus_for, resolve
from rag_pipeline.golden.unanswerable import read_unanswerable
from rag_pipeline.home import Home
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query
from rag_pipeline.metrics.answers import scores
from rag_pipeline.metrics.spans import Span


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
    references: tuple[str, ...] = ()
    """What people wrote as its answer, each as right as the others."""
    took_s: float = 0.0
    """Seconds to retrieve with its vector at hand and to answer."""

    @property
    def citations(self) -> list[Citation]:
        return [citation for sentence in self.selected.sentences for citation in sentence.citations]

    def shown(self, bounds: Bounds) -> tuple[Cited, ...]:
        """The sentences that a reader gets to see."""
        return () if bounds.refuse(self.selected) else self.selected.sentences


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
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    """Milliseconds that pass for both together."""
    usd: float = 0.0
    """Dollars for all of them: whole sentences cost none."""
    with_reference: int = 0
    """Questions with reference answers; the shares below are of these, and what is refused says nothing right."""
    reference_f1: float | None = None
    reference_exact: float | None = None
    reference_held: float | None = None
    """See `metrics.answers`."""


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
            _measured(bench, resolve(golden, corpus), _Beside.read(evals / golden.name, golden), bounds)
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


def figures_of(answers: Sequence[Answered], bounds: Bounds, spent: "Spent") -> Figures:
    """What the answers of one golden set come to."""
    living = [one for one in answers if one.answerable]
    found, nothing = [one for one in living if one.found], [one for one in answers if not one.answerable]
    judged = [one for one in found if one.wanted]
    quotes = [precision_and_recall(one.citations, one.wanted) for one in judged]
    held = [scores([each.text for each in one.shown(bounds)], one.references) for one in living if one.references]
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
        p50_ms=_quantile([1000 * one.took_s for one in answers], 50),
        p95_ms=_quantile([1000 * one.took_s for one in answers], 95),
        with_reference=len(held),
        reference_f1=_share([one.f1 for one in held]),
        reference_exact=_share([one.exact for one in held]),
        reference_held=_share([one.held for one in held]),
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
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Beside:
    """What lies beside the queries of a golden set: questions that nothing answers, and reference answers."""

    unanswerable: Mapping[str, str]
    answers: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, folder: Path, golden: GoldenSet) -> "_Beside":
        return cls(read_unanswerable(folder), read_answers(folder, golden.queries))


def _measured(bench: Bench, living: ResolvedSet, beside: _Beside, bounds: Bounds) -> Measured:
    golden, spent = living.golden, Spent()
    reader = bench.release.readable_by(golden.reads)
    asked = [(query, golden.queries[query], True) for query in living.qrels]
    asked += [(query, text, False) for query, text in beside.unanswerable.items()]
    vectors = _vectors(bench, [text for _, text, _ in asked])
    quoted = {one.document for found in living.references.values() for one in found}
    places = places_of(bench.home, bench.release.manifest, (), quoted)
    answers = [
        _answered(
            reader,
            (query, Query(text, vectors.get(text))),
            _judged(living, query, places, beside.answers.get(query, ())) if answerable else None,
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


def _judged(living: ResolvedSet, query: str, places: Places, references: tuple[str, ...]) -> _Judged:
    quoted = wanted_of(living, query)
    documents = frozenset(document for document, grade in living.qrels[query].items() if grade > 0)
    return _Judged(documents, tuple(places.passages(quoted)), tuple(one.quote for one in quoted), references)


def _answered(reader: OpenRelease, asked: tuple[str, Query], judged: _Judged | None, spent: Spent) -> Answered:
    query, question = asked
    began, at = time.process_time(), time.perf_counter()
    hits = reader.search(question, AROUND)
    searched = time.process_time()
    found = retrieved(reader, question, hits, PASSAGES)
    selected = select(question.text, found, reader.manifest.lexical.language)
    spent.retrieving_s += searched - began
    spent.answering_s += time.process_time() - searched
    took_s = time.perf_counter() - at
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
        references=judged.references if judged else (),
        took_s=took_s,
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
    return any(is_right(citation, one.wanted, one.said) for citation in one.citations)


def _quantile(values: Sequence[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 3) if values else 0.0


def _share(values: Sequence[float | bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
