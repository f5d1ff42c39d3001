"""Measure an answer version on a release: every golden question answered by it, its models really asked. Kept as evidence.

What is spent counts against the same budget as what readers ask. Where a budget runs out there is no evidence: it would show
the budget, and not the version.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from rag_pipeline.answer.bounds import Bounds
from rag_pipeline.answer.budget import Payer
from rag_pipeline.answer.cited import Cited, Passage, stands
from rag_pipeline.answer.config import Config
from rag_pipeline.answer.endpoint import check_installed
from rag_pipeline.answer.retrieve import retrieved
from rag_pipeline.answer.select import AROUND, PASSAGES, Selected
from rag_pipeline.answer.write import Wanted, Writer, Written
from rag_pipeline.corpus.model import Model, Vectors
from rag_pipeline.corpus.query_vectors import query_vectors
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate import answers as plain
from rag_pipeline.files import file_sha256, fingerprint
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.unanswerable import read_unanswerable
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import Query, encoder_for, open_release
from rag_pipeline.progress import Advance, progress
from rag_pipeline.versions.asking import books_of, writer_of
from rag_pipeline.versions.evidence import AnswerEvidence, QuestionAnswered, SetAnswered
from rag_pipeline.versions.evidence_store import evidence_on, keep_evidence
from rag_pipeline.versions.kept import KeptVersion
from rag_pipeline.versions.seen import seen_by

_AT_ONCE = 4
"""Questions of an evaluation that models are asked at once: readers ask the same ones."""
_ANSWER_S = 60.0
_PAYER = "evaluation of answers"
_OVER_BUDGET = "over budget"


@dataclass(frozen=True, slots=True)
class AnswersWork:
    """What answers are measured with. `own`: this machine's file of models; None where it names none."""

    home: Home
    evals: Path
    golden_sets: tuple[GoldenSet, ...]
    model: Model
    policies: Mapping[str, str]
    """Channel -> fingerprint of what gate.yaml demands there of answers."""
    own: Config | None
    run_id: str
    now: datetime
    reuse_hours: float = 0.0
    """Evidence on the same questions and demands that is not older is used again."""


def set_fingerprints(golden_sets: Sequence[GoldenSet], evals: Path) -> dict[str, str]:
    """Golden set -> fingerprint of its questions and judgments, unanswerable ones too. Raises `GoldenSetError`."""
    return {
        one.name: fingerprint(one.judged_fingerprint, sorted(read_unanswerable(evals / one.name).items()))
        for one in golden_sets
    }


def measure_version(work: AnswersWork, release_id: str, kept: KeptVersion) -> AnswerEvidence:
    """Evidence on a version and a release, kept; young evidence that is there is used again.

    Raises `PipelineError` where the release cannot be opened, this rag-pipeline is another than the version's, no budget is
    named for its models, or the budget did not last.
    """
    version, manifest = kept.version, read_manifest(work.home.release(release_id))
    sets = set_fingerprints(work.golden_sets, work.evals)
    if not sets:
        raise PipelineError(f"no golden set below {work.evals}, so no answers can be measured; `rag golden new NAME`")
    young = evidence_on(work.home, manifest.fingerprint, version.id)
    if young.evidence and not young.problem and _can_be_reused(work, young.evidence, sets):
        return young.evidence
    if version.too_different:
        raise PipelineError(f"version {version.id[:12]} cannot be measured: {version.too_different}; `rag answers version`")
    if version.models and work.own is None:
        raise PipelineError(
            f"version {version.id[:12]} asks {version.models[0].model}, and RAG_SERVE_ANSWERS is not set, so nobody says "
            "what that may cost; name the file of models, with its budget"
        )
    found = plain.measure_answers(work.home, release_id, work.model, work.golden_sets, work.evals)
    bounds = version.bounds_of(manifest.model.fingerprint, manifest.model.name)
    written = _written(work, release_id, kept, found, bounds) if work.own and version.models else {}
    evidence = AnswerEvidence(
        version=version.id,
        with_models=bool(version.models),
        release=release_id,
        release_fingerprint=manifest.fingerprint,
        manifest_sha256=file_sha256(work.home.manifest(release_id)),
        policies=dict(work.policies),
        created_at=work.now,
        run_id=work.run_id,
        golden_sets={
            one.name: SetAnswered(
                fingerprint=sets[one.name],
                questions=tuple(_question(each, bounds, written.get((one.name, each.query))) for each in one.answers),
            )
            for one in found.sets
        },
    )
    return keep_evidence(work.home, evidence)


def _can_be_reused(work: AnswersWork, evidence: AnswerEvidence, sets: Mapping[str, str]) -> bool:
    hours = (work.now - evidence.created_at).total_seconds() / 3600
    same = {name: one.fingerprint for name, one in evidence.golden_sets.items()} == dict(sets)
    return same and evidence.policies == dict(work.policies) and 0 <= hours <= work.reuse_hours


@dataclass(slots=True)
class _ByModel:
    """What models made of one question."""

    sentences: list[Cited] = field(default_factory=list)
    passages: tuple[Passage, ...] = ()
    written: Written = field(default_factory=Written)
    ms: float = 0.0


Where = tuple[str, str]
"""Golden set, question."""


def _question(one: plain.Answered, bounds: Bounds, by_model: _ByModel | None) -> QuestionAnswered:
    refused, sent, valid = bounds.refuse(one.selected), one.selected.sentences, one.valid
    if by_model and by_model.sentences:
        sent = tuple(by_model.sentences)
        valid = sum(stands(cited, by_model.passages) for each in sent for cited in each.citations)
    said = Selected(() if refused else sent, one.selected.words, one.selected.meaning)
    [figures] = [plain.figures_of([replace(one, selected=said)], bounds, plain.Spent())]
    return QuestionAnswered(
        query=one.query,
        answerable=one.answerable,
        found=one.found,
        refused=refused,
        by_model=bool(by_model and by_model.sentences),
        left_out=by_model.written.left_out if by_model else 0,
        citations=sum(len(each.citations) for each in said.sentences),
        valid=0 if refused else valid,
        right=None if figures.right_sentence is None else bool(figures.right_sentence),
        precision=figures.quote_precision,
        recall=figures.quote_recall,
        nano=by_model.written.nano if by_model else 0,
        write_ms=round(by_model.ms, 1) if by_model else 0.0,
    )


def _written(
    work: AnswersWork, release_id: str, kept: KeptVersion, found: plain.AnswersOf, bounds: Bounds
) -> dict[Where, _ByModel]:
    """What the version's models write for every question that is not refused."""
    if work.own is None:
        raise AssertionError("unreachable")
    check_installed()
    writer = writer_of(kept, work.own, books_of(work.home))
    reads = {one.name: one.reads for one in work.golden_sets}
    asked = [(one.name, each) for one in found.sets for each in one.answers if not bounds.refuse(each.selected)]
    with open_release(work.home, release_id) as release, progress("answers", len(asked), unit="questions") as advance:
        manifest = release.manifest
        by_meaning, texts = manifest.retrieval.mode != "lexical", [each.text for _, each in asked]
        load = partial(encoder_for, work.home, manifest, work.model)
        vectors: list[Vectors] = (
            list(query_vectors(work.home, manifest.model.fingerprint, load, texts)) if by_meaning and texts else []
        )
        wanted: dict[Where, tuple[Wanted, tuple[Passage, ...]]] = {}
        for place, (name, each) in enumerate(asked):
            reader = release.readable_by(reads[name])
            question = Query(each.text, vectors[place] if by_meaning else None)
            passages = retrieved(reader, question, reader.search(question, AROUND), PASSAGES).passages
            seen = seen_by(writer.config, manifest, release.readable_by, work.home, passages)
            payer = Payer(_PAYER, f"{work.run_id}:{name}:{each.query}:{kept.version.id[:12]}", frozenset())
            wanted[name, each.query] = (Wanted(each.text, manifest.lexical.language, seen, payer, 0.0), passages)
        return asyncio.run(_all_written(writer, wanted, advance))


async def _all_written(
    writer: Writer, wanted: Mapping[Where, tuple[Wanted, tuple[Passage, ...]]], advance: Advance
) -> dict[Where, _ByModel]:
    """Raises `PipelineError` as soon as the budget does not last."""
    places = asyncio.Semaphore(min(_AT_ONCE, writer.config.at_once))

    async def one(where: Where, asked: Wanted, passages: tuple[Passage, ...]) -> tuple[Where, _ByModel]:
        async with places:
            began = time.monotonic()
            found = _ByModel(passages=passages)
            in_time = replace(asked, until=asyncio.get_running_loop().time() + _ANSWER_S)
            async for sentence in writer.sentences(in_time, found.written):
                found.sentences.append(sentence)
            found.ms = 1000 * (time.monotonic() - began)
            if not found.sentences and any(_OVER_BUDGET in why for why in found.written.why_not):
                raise PipelineError(
                    "budget: it does not last for the golden questions, so there is no evidence; raise usd_per_day or "
                    "usd_per_query in the file that RAG_SERVE_ANSWERS names, or measure again tomorrow (UTC)"
                )
            advance()
            return where, found

    return dict(await asyncio.gather(*(one(where, *each) for where, each in wanted.items())))
