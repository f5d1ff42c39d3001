"""An evaluation: candidate and production measured side by side on every golden set, written down as evidence."""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime

from rag_pipeline.contracts.labels import EVERYTHING
from rag_pipeline.corpus.model import Model
from rag_pipeline.errors import GoldenSetError, PipelineError, ReleaseError
from rag_pipeline.evaluate.bench import Bench
from rag_pipeline.evaluate.condensed import condensed, condensed_scores, known_of
from rag_pipeline.evaluate.evidence import JUDGED, NO_SLICE, Evidence, LatencyEvidence, SetEvidence
from rag_pipeline.evaluate.evidence_store import heal_heads, keep, newest, read_lists
from rag_pipeline.evaluate.evidence_texts import with_texts
from rag_pipeline.evaluate.examples import examples, overlap, unjudged
from rag_pipeline.evaluate.fallen import fallen, slipped
from rag_pipeline.evaluate.measure import Measured, latency
from rag_pipeline.evaluate.probed import probes_evidence
from rag_pipeline.evaluate.remembered import evaluations_table, remember, remembered
from rag_pipeline.evaluate.retrieved import Lists, Side, text_hash
from rag_pipeline.evaluate.runtime import processor, runtime_of
from rag_pipeline.evaluate.vanished import with_vanished
from rag_pipeline.files import file_sha256
from rag_pipeline.golden.read import GoldenSet, refuse_unquoted
from rag_pipeline.golden.resolve import ResolvedSet, corpus_for, resolve
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import OpenRelease, own_model, refuse_other_model
from rag_pipeline.metrics.documents import PerQuery
from rag_pipeline.process import release_memory

log = logging.getLogger("rag_pipeline")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Who measures what: passed by the caller, so that this module has neither clock nor settings."""

    home: Home
    golden_sets: tuple[GoldenSet, ...]
    model: Model
    policies: dict[str, str]
    """Channel -> fingerprint of its demands, so that the gate knows evidence of another policy when it sees it."""
    run_id: str
    now: datetime
    reuse_hours: float = 0.0
    """Evidence younger than this, on the same inputs, is not measured again."""
    metrics: Mapping[str, list[str]] = field(default_factory=dict)
    """Golden set -> metrics the policy asks for beside those its golden.yaml lists."""
    concurrencies: tuple[int, ...] = (1,)
    """How many users at a time latency is measured with."""
    is_slow: Callable[[Evidence], bool] | None = None
    """Whether times that were measured are too long: perhaps of a busy machine, so they are measured again."""

    def says_the_same(self, earlier: Evidence, release_id: str, living: list[ResolvedSet], runtime: dict[str, str]) -> bool:
        """Whether measuring the release again, beside whatever serves, could tell nothing of it that `earlier` does not."""
        age_hours = (self.now - earlier.created_at).total_seconds() / 3600
        return (
            earlier.intact
            and earlier.release == release_id
            and 0 <= age_hours < self.reuse_hours
            and not (self.is_slow and self.is_slow(earlier))
            and earlier.policies == self.policies
            and earlier.model_fingerprint == self.model.fingerprint
            and earlier.runtime == runtime
            and {
                name: (one.fingerprint, [gone.judgment for gone in one.unresolved])
                for name, one in earlier.golden_sets.items()
            }
            == {one.golden.name: (one.golden.fingerprint, [gone.judgment for gone in one.unresolved]) for one in living}
        )

    def measured(self, golden: GoldenSet) -> list[str]:
        """Every metric to take of a golden set, in the order of its golden.yaml first."""
        return list(dict.fromkeys([*golden.about.metrics, *self.metrics.get(golden.name, ()), JUDGED]))


@dataclass(frozen=True, slots=True)
class ServingRelease:
    """What serves now, by the channel's own word: its release directory may be damaged."""

    release: str
    fingerprint: str


def evaluate_release(evaluation: Evaluation, release_id: str, production: ServingRelease | None) -> Evidence:
    """Measure a release, and production beside it when that is another one; keep and return the evidence.

    Earlier evidence is returned instead when it was measured on the same inputs and is young enough to decide with.
    Raises `GoldenSetError` when there is nothing to measure with, `ReleaseError` when a release cannot be opened or
    was built with another model than the one configured.
    """
    if not evaluation.golden_sets:
        raise GoldenSetError("there is no golden set, so nothing can be measured; add a folder below RAG_EVALS")
    for golden in evaluation.golden_sets:
        refuse_unquoted(golden, evaluation.measured(golden), f"golden set {golden.name}, by gate.yaml")
    evaluations_table(evaluation.home).heal()
    heal_heads(evaluation.home)
    production_id = production.release if production else None
    manifest = read_manifest(evaluation.home.release(release_id))
    corpus = corpus_for(evaluation.home, list(manifest.sources), evaluation.golden_sets)
    living = [resolve(golden, corpus) for golden in evaluation.golden_sets]
    lost = with_vanished(evaluation.home, living, corpus, release_id, production_id)
    earlier = newest(evaluation.home, manifest.fingerprint)
    lists = read_lists(evaluation.home, earlier) if earlier else None
    runtime = runtime_of(manifest.model.backend)
    if earlier and lists is not None and evaluation.says_the_same(earlier, release_id, living, runtime):
        at = f"{earlier.created_at:%Y-%m-%d %H:%M} UTC"
        stands = f"{release_id} was measured on the same golden sets at {at}; that evidence still counts"
        beside = (earlier.compared_with or release_id) == (production_id or release_id)
        if beside and (
            production_id in (None, release_id) or _vanished(earlier) == {one.golden.name: one.vanished for one in lost}
        ):
            log.info("%s", stands)
            return earlier
        if production_id in (None, release_id):  # it serves by now, or nothing does: no comparison is left
            log.info("%s, without the comparison with %s", stands, earlier.compared_with)
            alone = with_texts(evaluation.home, earlier).alone(evaluation.run_id)
            return keep(evaluation.home, alone, {key: one for key, one in lists.items() if key[1] == "candidate"})
    living = lost
    mine = _candidate(evaluation, release_id, living)
    release_memory()  # one graph in memory at a time: of a million chunks each takes two gigabytes and more
    theirs: _Side | None = None
    if production and production.release != release_id:
        same = production.fingerprint == manifest.fingerprint  # under another id: there is nothing to tell apart
        theirs = mine.side if same else _production(evaluation, production, [one.as_it_was for one in living])
        release_memory()
    known = _known(evaluation.home, release_id if theirs is mine.side else production_id, mine.side) if theirs else None
    evidence = Evidence(
        release=release_id,
        release_fingerprint=manifest.fingerprint,
        manifest_sha256=file_sha256(evaluation.home.manifest(release_id)),
        model_fingerprint=manifest.model.fingerprint,
        mode=manifest.retrieval.mode,
        policies=evaluation.policies,
        created_at=evaluation.now,
        run_id=evaluation.run_id,
        compared_with=production_id if theirs else None,
        golden_sets={one.golden.name: _set_evidence(one, mine, theirs, known, place) for place, one in enumerate(living)},
        latency=mine.latency,
        approximate_recall=manifest.probe.recall_at_10,
        runtime=runtime,
        processor=processor(),
    )
    evidence = keep(evaluation.home, evidence, _lists(living, mine.side, theirs))
    remember(evaluation.home, manifest, living, mine.side.measured, run_id=evaluation.run_id, now=evaluation.now)
    return evidence


def _vanished(evidence: Evidence) -> dict[str, tuple[Unresolved, ...]]:
    """golden set -> what counted as vanished; nothing in evidence of a time that left it out."""
    return {name: tuple(one.vanished) for name, one in evidence.golden_sets.items()}


def _lists(living: list[ResolvedSet], mine: "_Side", theirs: "_Side | None") -> Lists:
    """What both sides retrieved, as it is kept beside the evidence."""
    lists: Lists = {}
    for place, one in enumerate(living):
        texts = {query: text_hash(one.golden.queries[query]) for query in one.qrels}
        sides: dict[Side, _Side] = {"candidate": mine, **({"production": theirs} if theirs else {})}
        for name, side in sides.items():
            lists[one.golden.name, name] = replace(side.measured[place].lists, probes=side.probes[place], texts=texts)
    return lists


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a comparison, measured on every golden set; its indexes are closed again.

    `release` still looks up chunks. It is None where the release could not be opened any more.
    """

    measured: list[Measured]
    release: OpenRelease | None
    probes: list[dict[str, list[str]]]
    """Golden set by golden set, probe id -> documents, best first; empty where the release could not be asked."""


@dataclass(frozen=True, slots=True)
class _Mine:
    """The release that is evaluated."""

    side: _Side
    modes: list[dict[str, Measured]]
    latency: list[LatencyEvidence]


def _candidate(evaluation: Evaluation, release_id: str, living: list[ResolvedSet]) -> _Mine:
    texts = [text for golden in evaluation.golden_sets for text in golden.queries.values()]
    refuse_other_model(read_manifest(evaluation.home.release(release_id)), evaluation.model)  # vectors may be known
    with ExitStack() as stack:
        bench = Bench.open(stack, evaluation.home, release_id, evaluation.model, all_modes=True)
        both = [bench.measure_modes(one, evaluation.measured(one.golden)) for one in living]
        probes = [bench.probe(one.golden, evaluation.measured(one.golden)) for one in living]
        reads = {word for golden in evaluation.golden_sets if golden.about.labels for word in golden.reads} or {EVERYTHING}
        reader = bench.release.readable_by(reads)  # nobody but an operator waits for every scope
        times = [latency(reader, bench.load, texts, users) for users in evaluation.concurrencies]
    return _Mine(_Side([one for one, _ in both], bench.release, probes), [others for _, others in both], times)


def _production(evaluation: Evaluation, production: ServingRelease, living: list[ResolvedSet]) -> _Side | None:
    """What production retrieves; the rankings it was last measured with where it cannot be asked any more."""
    try:
        built_with = read_manifest(evaluation.home.release(production.release))
        model = own_model(built_with, evaluation.model)
        with ExitStack() as stack:
            bench = Bench.open(stack, evaluation.home, production.release, model, all_modes=False)
            measured = [bench.measure(one, evaluation.measured(one.golden)) for one in living]
            probes = [bench.probe(one.golden, evaluation.measured(one.golden)) for one in living]
            return _Side(measured, bench.release, probes)
    except PipelineError as error:
        log.warning("production cannot be measured, so its last rankings are scored instead: %s", error)
        last = remembered(evaluation.home, production.fingerprint, living, evaluation.measured)
        return _Side(last, None, [{} for _ in living]) if last else None


def _known(home: Home, reference: str | None, mine: _Side) -> frozenset[str] | None:
    """The documents among those retrieved that another release has; None when nobody knows, because that one is damaged."""
    try:
        return known_of(home, reference, [*(one.deep for one in mine.measured), *mine.probes]) if reference else None
    except ReleaseError as error:
        log.warning("nobody knows which documents are new since %s, so no list is condensed: %s", reference, error)
        return None


def _set_evidence(
    living: ResolvedSet, candidate: _Mine, theirs: _Side | None, known: frozenset[str] | None, place: int
) -> SetEvidence:
    about, queries = living.golden.about, sorted(living.qrels)
    mine, other = candidate.side.measured[place], theirs.measured[place] if theirs else None
    lost = (
        {query: mine.per_query[about.primary][query] - other.per_query[about.primary][query] for query in queries}
        if other
        else {}
    )
    now, before = candidate.side.release, theirs.release if theirs else None
    return SetEvidence(
        fingerprint=living.golden.fingerprint,
        owner=about.owner,
        made_by=about.made_by,
        labels=list(living.golden.reads) if about.labels else [],
        primary=about.primary,
        query_ids=queries,
        judgments=living.judgments,
        moved=living.moved,
        unresolved=list(living.unresolved),
        vanished=list(living.vanished),
        unanswered=mine.unanswered,
        values=_in_order(mine.per_query, queries),
        production=_in_order(other.per_query, queries) if other else None,
        condensed=_in_order(condensed_scores(mine.per_query, living.qrels, living.seen(mine.deep), known), queries)
        if known is not None
        else {},
        fallen=fallen(living.qrels, living.seen(mine.retrieved), other.retrieved) if other else [],
        slipped=slipped(living.qrels, condensed(living.seen(mine.deep), known), other.retrieved)
        if other and known is not None
        else [],
        probes=probes_evidence(
            living, mine.per_query, other.retrieved, theirs.probes[place], candidate.side.probes[place], known
        )
        if theirs and other
        else None,
        slices={
            name: [living.golden.slices.get(query, {}).get(name, NO_SLICE) for query in queries] for name in about.slices
        },
        modes={mode: measured.means for mode, measured in candidate.modes[place].items()},
        overlap_at_10=overlap(mine.retrieved, other.retrieved) if other else None,
        unjudged=unjudged(living, mine.retrieved),
        examples=examples(living, lost, now, mine, before, other) if now and before and other else [],
    )


def _in_order(scores: PerQuery, queries: list[str]) -> dict[str, list[float]]:
    return {name: [round(values[query], 6) for query in queries] for name, values in scores.items()}
