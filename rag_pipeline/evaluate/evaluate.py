"""An evaluation: candidate and production measured side by side on every golden set, written down as evidence."""

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from rag_pipeline.corpus.model import Encoder, Model
from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.evaluate.evidence import Comparison, Evidence, LatencyEvidence, SetEvidence, keep, newest
from rag_pipeline.evaluate.golden import GoldenSet
from rag_pipeline.evaluate.measure import Alive, Measured, alive, by_slice, latency, measure
from rag_pipeline.evaluate.metrics import paired_bounds, score
from rag_pipeline.files import file_sha256
from rag_pipeline.index.manifest import FILE as MANIFEST
from rag_pipeline.index.manifest import Manifest, read_manifest
from rag_pipeline.index.retrieve import OpenRelease, encoder_for, open_release, own_model
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import Table

log = logging.getLogger("rag_pipeline")

_WORST = 10

EVALUATIONS = pa.schema(
    [
        ("at", pa.timestamp("us", "UTC")),
        ("run_id", pa.string()),
        ("release", pa.string()),
        ("release_fingerprint", pa.string()),
        ("golden_set", pa.string()),
        ("golden_fingerprint", pa.string()),
        ("query_id", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("retrieved", pa.list_(pa.string())),
    ]
)


def evaluations_table(home: Path) -> Table:
    """One row a (evaluation, golden set, query, metric), for reports and for asking why."""
    return Table(home / "lake" / "evaluations", EVALUATIONS)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Who measures what: passed by the caller, so that this module has neither clock nor settings."""

    home: Path
    golden_sets: tuple[GoldenSet, ...]
    model: Model
    policies: dict[str, str]
    """Channel -> fingerprint of its demands, so that the gate knows evidence of another policy when it sees it."""
    run_id: str
    now: datetime
    reuse_hours: float = 0.0
    """Evidence younger than this, on the same inputs, is not measured again."""

    def says_the_same(self, earlier: Evidence, release_id: str, living: list[Alive], production_id: str | None) -> bool:
        """Whether measuring again could tell nothing that `earlier` does not."""
        age_hours = (self.now - earlier.created_at).total_seconds() / 3600
        return (
            earlier.intact
            and earlier.release == release_id
            and 0 <= age_hours < self.reuse_hours
            and earlier.policies == self.policies
            and earlier.model_fingerprint == self.model.fingerprint
            and (earlier.compared_with or earlier.release) == (production_id or earlier.release)
            and {name: (one.fingerprint, one.dead_judgments) for name, one in earlier.golden_sets.items()}
            == {one.golden.name: (one.golden.fingerprint, list(one.dead)) for one in living}
        )


@dataclass(frozen=True, slots=True)
class Rival:
    """What serves now, by the channel's own word: its release directory may be damaged."""

    release: str
    fingerprint: str


def evaluate_release(evaluation: Evaluation, release_id: str, production: Rival | None) -> Evidence:
    """Measure a release, and production beside it when that is another one; keep and return the evidence.

    Earlier evidence is returned instead when it was measured on the same inputs and is young enough to decide with.
    Raises `GoldenSetError` when there is nothing to measure with, `ReleaseError` when a release cannot be opened or
    was built with another model than the one configured.
    """
    if not evaluation.golden_sets:
        raise GoldenSetError("there is no golden set, so nothing can be measured; add a folder below RAG_EVALS")
    production_id = production.release if production else None
    manifest = read_manifest(evaluation.home / "releases" / release_id)
    documents = documents_of(evaluation.home, list(manifest.sources))
    living = [alive(golden, documents) for golden in evaluation.golden_sets]
    earlier = newest(evaluation.home, manifest.fingerprint)
    if earlier and evaluation.says_the_same(earlier, release_id, living, production_id):
        log.info("%s was measured on the same golden sets at %s; that evidence stands", release_id, earlier.created_at)
        return earlier
    with open_release(evaluation.home, release_id) as candidate:
        encoder = encoder_for(candidate.manifest, evaluation.model)
        mine = [measure(candidate, encoder, one) for one in living]
        texts = [text for golden in evaluation.golden_sets for text in golden.queries.values()]
        timing = latency(candidate, encoder, texts)
        theirs = _production(evaluation, production, candidate.manifest, encoder, living, mine)
        evidence = Evidence(
            release=release_id,
            release_fingerprint=candidate.manifest.fingerprint,
            manifest_sha256=file_sha256(evaluation.home / "releases" / release_id / MANIFEST),
            model_fingerprint=candidate.manifest.model.fingerprint,
            policies=evaluation.policies,
            created_at=evaluation.now,
            run_id=evaluation.run_id,
            compared_with=production_id if theirs else None,
            golden_sets={
                one.golden.name: _set_evidence(one, measured, theirs[index] if theirs else None)
                for index, (one, measured) in enumerate(zip(living, mine, strict=True))
            },
            latency=LatencyEvidence(queries=timing.queries, p50_ms=timing.p50_ms, p95_ms=timing.p95_ms),
        ).sealed()
        keep(evaluation.home, evidence)
        _remember(evaluation, candidate, living, mine)
    return evidence


def documents_of(home: Path, sources: list[str]) -> set[str]:
    """Every document id the sources hold now."""
    frames = [source_tables(home, source).documents.scan().select("document_id") for source in sources]
    return set(pl.concat(frames).collect()["document_id"]) if frames else set()


def _production(
    evaluation: Evaluation,
    production: Rival | None,
    candidate: Manifest,
    encoder: Encoder,
    living: list[Alive],
    mine: list[Measured],
) -> list[Measured] | None:
    """What production retrieves; the rankings it was last measured with where it cannot be asked any more."""
    if production is None or production.release == candidate.id:
        return None
    if production.fingerprint == candidate.fingerprint:
        return mine  # the same content under another id: there is nothing to tell apart
    try:
        with open_release(evaluation.home, production.release) as opened:
            if opened.manifest.model.fingerprint != candidate.model.fingerprint:
                encoder = encoder_for(opened.manifest, own_model(opened.manifest, evaluation.model))
            return [measure(opened, encoder, one) for one in living]
    except PipelineError as error:
        log.warning("production cannot be measured, so its last rankings are scored instead: %s", error)
        return _remembered(evaluation.home, production.fingerprint, living)


def _remembered(home: Path, release_fingerprint: str, living: list[Alive]) -> list[Measured] | None:
    """What production retrieved when it was last measured on these very golden sets; None when it never was."""
    rows = (
        evaluations_table(home)
        .scan()
        .filter(pl.col("release_fingerprint") == release_fingerprint)
        .sort("at")
        .group_by("golden_fingerprint", "query_id")
        .agg(pl.col("retrieved").last())
        .collect()
    )
    found = {(golden, query): list(docs) for golden, query, docs in rows.iter_rows()}
    measured = []
    for one in living:
        if any((one.golden.fingerprint, query) not in found for query in one.qrels):
            return None
        run = {query: found[one.golden.fingerprint, query] for query in one.qrels}
        measured.append(Measured(score(one.golden.about.metrics, one.qrels, run), run))
    return measured


def _set_evidence(living: Alive, mine: Measured, theirs: Measured | None) -> SetEvidence:
    return SetEvidence(
        fingerprint=living.golden.fingerprint,
        queries=len(living.qrels),
        judgments=living.judgments,
        dead_judgments=list(living.dead),
        unanswered=mine.unanswered,
        metrics=mine.means,
        slices=by_slice(living, mine),
        production_metrics=theirs.means if theirs else None,
        comparison=compare(living, mine, theirs) if theirs else None,
    )


def compare(living: Alive, mine: Measured, theirs: Measured) -> Comparison:
    """The paired difference on the primary metric, with the one-sided 95 % bounds of its mean."""
    name = living.golden.about.primary
    queries = sorted(living.qrels)
    differences = np.array([mine.per_query[name][query] - theirs.per_query[name][query] for query in queries])
    lower, upper = paired_bounds(differences)
    lost = sorted((float(value), query) for query, value in zip(queries, differences, strict=True) if value < 0)
    return Comparison(
        metric=name,
        queries=len(queries),
        production=theirs.means[name],
        difference=float(differences.mean()) if len(queries) else 0.0,
        lower=lower,
        upper=upper,
        worst=[(query, value) for value, query in lost[:_WORST]],
    )


def _remember(evaluation: Evaluation, candidate: OpenRelease, living: list[Alive], mine: list[Measured]) -> None:
    rows = [
        {
            "at": evaluation.now,
            "run_id": evaluation.run_id,
            "release": candidate.manifest.id,
            "release_fingerprint": candidate.manifest.fingerprint,
            "golden_set": one.golden.name,
            "golden_fingerprint": one.golden.fingerprint,
            "query_id": query,
            "metric": name,
            "value": value,
            "retrieved": measured.retrieved[query],
        }
        for one, measured in zip(living, mine, strict=True)
        for name, values in measured.per_query.items()
        for query, value in values.items()
    ]
    evaluations_table(evaluation.home).append(pa.Table.from_pylist(rows, EVALUATIONS))
