"""Every figure of evidence, computed again from what was retrieved and from the golden sets and documents as they are now.

Some things cannot be computed again without asking the indexes: the lists themselves, where quoted passages are in a
release's own texts, the figures of the ways it does not serve, and times. Only the seal protects those.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.evaluate.condensed import condensed, condensed_scores, known_of
from rag_pipeline.evaluate.evidence import NO_SLICE, Evidence, LatencyEvidence, SetEvidence
from rag_pipeline.evaluate.evidence_store import read_lists
from rag_pipeline.evaluate.examples import overlap
from rag_pipeline.evaluate.fallen import fallen, slipped
from rag_pipeline.evaluate.measure import span_scores, unanswered, wanted_of
from rag_pipeline.evaluate.metrics_again import score_again
from rag_pipeline.evaluate.probed import probes_evidence
from rag_pipeline.evaluate.retrieved import Lists, Retrieved, Side
from rag_pipeline.evaluate.vanished import met_by, put_back
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.resolve import Corpus, ResolvedSet, corpus_for, resolve
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.metrics.documents import PerQuery
from rag_pipeline.metrics.spans import is_span_metric

log = logging.getLogger("rag_pipeline")

_SAME = 1e-9
_ROUNDED = 0.5e-6
"""Values are kept to six digits."""
_SAME_MS = 0.02
"""Times are kept to a hundredth of a millisecond, their percentiles are taken before that."""


def contradictions(home: Home, evidence: Evidence, golden_sets: Sequence[GoldenSet], manifest: Manifest) -> tuple[str, ...]:
    """What the evidence says otherwise than its lists, the golden sets, the documents and the release's manifest give.

    Golden sets that changed since are left out: the gate refuses those by their fingerprint.
    """
    lists = read_lists(home, evidence)
    if lists is None:
        return ("the lists the figures were computed from are gone or were changed; evaluate again",)
    found = list(_of_the_release(evidence, manifest))
    compared = {name for name, one in evidence.golden_sets.items() if one.production is not None}
    if compared != {name for name, side in lists if side == "production"}:
        found.append("production's figures and its lists are not of the same golden sets; evaluate again")
    judged = tuple(
        one
        for one in golden_sets
        if one.name in evidence.golden_sets and evidence.golden_sets[one.name].fingerprint == one.fingerprint
    )
    corpus = corpus_for(home, list(manifest.sources), judged)
    known, _ = known_to_production(home, evidence, lists)
    for golden in judged:
        said = evidence.golden_sets[golden.name]
        mine, theirs = lists.get((golden.name, "candidate")), lists.get((golden.name, "production"))
        try:
            living, problem = _living(home, evidence, said, golden, corpus, manifest)
            problem = problem or next(_of_a_set(said, living, mine, theirs, known), "")
        except (PipelineError, KeyError) as error:  # a list that is not about these queries
            log.warning("the figures of %s cannot be computed again: %s", golden.name, error)
            problem = "what was retrieved is not about its queries"
        if problem:
            found.append(f"{golden.name}: {problem}; evaluate again")
    return tuple(found)


def _living(
    home: Home, evidence: Evidence, said: SetEvidence, golden: GoldenSet, corpus: Corpus, manifest: Manifest
) -> tuple[ResolvedSet, str]:
    """The judgments that count, with those that vanished since production was built; and whether it says others.

    Where production is gone, or nothing is compared any more, its word is taken as far as these do not resolve.
    """
    living, told = resolve(golden, corpus), frozenset(one.judgment for one in said.vanished)
    true = told & {one.judgment for one in living.unresolved}
    if evidence.compared_with not in (None, evidence.release):
        with suppress(ReleaseError):
            true = met_by(home, str(evidence.compared_with), golden, living.unresolved)
    if told != true:
        return living, "the answers that vanished since production was built are not those that it names"
    return (put_back(home, golden, corpus, manifest.id, told) if told else living), ""


def known_to_production(home: Home, evidence: Evidence, lists: Lists | None) -> tuple[frozenset[str] | None, str]:
    """The retrieved documents that production has, by production's own chunks as they are now.

    None, and why, where nobody can tell any more: then what was taken out of its lists cannot be checked.
    """
    mine, theirs = ([one for (_, side), one in sorted((lists or {}).items()) if side == which] for which in _SIDES)
    asked = [found for one in mine for found in (one.documents, one.probes)]
    if not evidence.compared_with or not mine:
        return None, "it was compared with nothing, or its lists are gone"
    try:
        return known_of(home, evidence.compared_with, asked), ""
    except ReleaseError as error:
        if theirs == mine:  # what both retrieve, both have
            return frozenset(one for every in asked for found in every.values() for one in found), ""
        return None, str(error)


_SIDES: tuple[Side, Side] = ("candidate", "production")


def _of_the_release(evidence: Evidence, manifest: Manifest) -> Iterator[str]:
    if evidence.approximate_recall != manifest.probe.recall_at_10:
        yield "recall of approximate search is another in the release's manifest; evaluate again"
    if evidence.mode != manifest.retrieval.mode:
        yield f"the release retrieves in {manifest.retrieval.mode} mode, not in {evidence.mode}; evaluate again"
    for one in evidence.latency:
        if not _same_times(one):
            yield f"the latency with {one.concurrency} at a time is not what its times give; evaluate again"


def _same_times(told: LatencyEvidence) -> bool:
    if not told.times_ms:
        return (told.p50_ms, told.p95_ms) == (0.0, 0.0)
    p50, p95 = np.percentile(told.times_ms, [50, 95])
    return bool(abs(told.p50_ms - p50) <= _SAME_MS and abs(told.p95_ms - p95) <= _SAME_MS)


def _of_a_set(
    said: SetEvidence, living: ResolvedSet, mine: Retrieved | None, theirs: Retrieved | None, known: frozenset[str] | None
) -> Iterator[str]:
    """What one golden set contradicts, the plainest first."""
    about, queries = living.golden.about, sorted(living.qrels)
    if [one.judgment for one in said.unresolved] != [one.judgment for one in living.unresolved]:
        yield "other judgments than at the evaluation can be met by the documents as they are now"
    if said.query_ids != queries or said.judgments != living.judgments:
        yield "it was not measured on the queries that can be answered now"
    if (said.owner, said.made_by, said.primary) != (about.owner, about.made_by, about.primary):
        yield "its owner, its makers or its primary metric are not those of golden.yaml"
    slices = {name: [living.golden.slices.get(query, {}).get(name, NO_SLICE) for query in queries] for name in about.slices}
    if said.slices != slices:
        yield "its slices are not those of queries.jsonl"
    if mine is None:
        yield "nothing is kept of what was retrieved"
        return
    if said.unanswered != unanswered(mine.documents):
        yield "the queries without results are not those that it names"
    yield from _values("", said.values, _scores(list(said.values), living, mine))
    if said.condensed and known is not None:
        again = condensed_scores(said.condensed, living.qrels, living.seen(mine.documents), known)
        yield from _values("without new documents, ", said.condensed, again)
    if mine.probes.keys() != living.golden.probes.keys():
        yield "other probes were asked than it has"
    if said.production is not None and theirs is not None:
        yield from _values("production's ", said.production, _scores(list(said.production), living.as_it_was, theirs))
        kept = overlap(dict(mine.documents), dict(theirs.documents))
        if (kept is None) != (said.overlap_at_10 is None) or abs((kept or 0.0) - (said.overlap_at_10 or 0.0)) > _SAME:
            yield f"overlap@10 with production is {kept}, not {said.overlap_at_10}"
        fell = fallen(living.qrels, living.seen(mine.documents), theirs.documents)
        if said.fallen and said.fallen != fell:
            yield f"what fell furthest is {', '.join(fell) or 'nothing'}, not {', '.join(said.fallen)}"
        if said.slipped and known is not None:
            slid = slipped(living.qrels, condensed(living.seen(mine.documents), known), theirs.documents)
            if said.slipped != slid:
                yield f"the queries whose answers slipped a place or two are {', '.join(slid) or 'none'}, not as it says"
        again_probes = probes_evidence(living, said.values, theirs.documents, theirs.probes, mine.probes, known)
        if said.probes and said.probes.losses and known is not None and again_probes != said.probes:
            yield "what its probes are expected to lose is not what their lists and the judged queries give"


def _values(whose: str, said: dict[str, list[float]], again: PerQuery) -> Iterator[str]:
    """Metrics of which some query has another value than it was said to have."""
    for metric, values in said.items():
        for (query, value), told in zip(sorted(again[metric].items()), values, strict=False):
            if not abs(value - told) <= _ROUNDED + _SAME:  # so that NaN is found
                yield f"{whose}{metric} of query {query} is {value:g} by its list and the judgments, not {told:g}"
                break


def _scores(metrics: list[str], living: ResolvedSet, kept: Retrieved) -> PerQuery:
    if kept.documents.keys() != living.qrels.keys():
        raise PipelineError("the lists are of other queries")
    if any(len(set(documents)) != len(documents) for documents in kept.documents.values()):
        raise PipelineError("a list names a document twice")
    if any(map(is_span_metric, metrics)):
        for query in living.qrels:
            asked = [one.document for one in wanted_of(living, query)]
            if [document or other for (document, _, _), other in zip(kept.wanted[query], asked, strict=False)] != asked:
                raise PipelineError("the passages are of other quotes")
    names = [name for name in metrics if not is_span_metric(name)]
    spans = span_scores(metrics, living.qrels, kept.spans, kept.wanted)
    return score_again(names, living.qrels, living.seen(kept.documents)) | spans
