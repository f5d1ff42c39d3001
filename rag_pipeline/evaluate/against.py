"""A release against an earlier one that is not asked again: scores from the lists kept of that one, and today's judgments.

Documents that the earlier release could not have are taken out of the lists, so that growth is not punished. Only questions
that both were asked count. Judgments that the earlier one could meet and no source holds any more are put back. Nothing is
decided here.
"""

import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rag_pipeline.evaluate.condensed import condensed
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import read_lists
from rag_pipeline.evaluate.fallen import fallen
from rag_pipeline.evaluate.metrics_again import score_again
from rag_pipeline.evaluate.retrieved import Retrieved, text_hash
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.resolve import Judgment, ResolvedSet, corpus_for, resolve
from rag_pipeline.home import Home
from rag_pipeline.metrics.spans import is_span_metric

log = logging.getLogger("rag_pipeline")

Ranked = Mapping[str, Sequence[str]]
"""query id -> documents, best first"""


@dataclass(frozen=True, slots=True)
class Against:
    """One golden set, on the questions that both releases were asked."""

    queries: tuple[str, ...]
    asked: int
    """Questions of the set today; those judged since the earlier release was measured are not among `queries`."""
    mine: Mapping[str, tuple[float, ...]]
    """metric -> value of each query"""
    theirs: Mapping[str, tuple[float, ...]]
    vanished: tuple[str, ...] = ()
    """Documents of judgments that the earlier release could meet and no source holds any more."""
    fallen: tuple[str, ...] = ()
    """Documents that answer its queries and stand further back than there, or nowhere."""

    def differences(self, metric: str) -> list[float]:
        """Release minus the earlier one, a query each."""
        return [mine - theirs for mine, theirs in zip(self.mine[metric], self.theirs[metric], strict=True)]


@dataclass(frozen=True, slots=True)
class Earlier:
    """All that is needed of an earlier release to hold a later one against it."""

    evidence: tuple[Evidence, ...]
    """What it was accepted on, and what it was measured to give since: more questions, the same content. The first that
    knows a question counts."""
    documents: Container[str]
    """Those it held."""


def against(
    home: Home,
    evidence: Evidence,
    earlier: Earlier,
    golden_sets: Iterable[GoldenSet],
    sources: Sequence[str],
    metrics: Mapping[str, Sequence[str]],
) -> dict[str, Against]:
    """golden set -> how the release does against an earlier one, for those sets both were measured on.

    `metrics`: golden set -> those to take; metrics of passages cannot be, they need its texts.
    """
    lists = read_lists(home, evidence) or {}
    before, known = _lists(home, earlier.evidence), earlier.documents
    judged = tuple(
        one for one in golden_sets if one.name in metrics and (one.name, "candidate") in lists and one.name in before
    )
    corpus = corpus_for(home, list(sources), judged)
    found = {}
    for golden in judged:
        plain = resolve(golden, corpus)
        back = _could_meet(plain, earlier)
        living = resolve(golden, corpus, back) if back else plain
        mine, theirs = lists[golden.name, "candidate"].documents, _asked(golden, before[golden.name])
        queries = tuple(sorted(living.qrels.keys() & mine.keys() & theirs.keys() | _blind(living, mine, theirs)))
        names = [name for name in metrics[golden.name] if not is_span_metric(name)]
        qrels = {query: living.qrels[query] for query in queries}
        gone = {(one.query, one.document) for one in living.vanished if one.passage}
        seen = {query: [one for one in mine.get(query, ()) if (query, one) not in gone] for query in queries}
        now = score_again(names, qrels, condensed(seen, known))
        then = score_again(names, qrels, {query: theirs[query] for query in queries})
        found[golden.name] = Against(
            queries,
            len(living.qrels),
            {name: tuple(now[name][query] for query in queries) for name in names},
            {name: tuple(then[name][query] for query in queries) for name in names},
            tuple(dict.fromkeys(one.document for one in living.vanished)),
            tuple(fallen(qrels, condensed(seen, known), theirs)),
        )
    return found


def _lists(home: Home, earlier: Sequence[Evidence]) -> dict[str, list[Retrieved]]:
    """golden set -> what the earlier release retrieved, each time that it was asked."""
    found: dict[str, list[Retrieved]] = {}
    for evidence in earlier:
        for (name, side), one in (read_lists(home, evidence) or {}).items():
            if side == "candidate":
                found.setdefault(name, []).append(one)
    return found


def _asked(golden: GoldenSet, found: Sequence[Retrieved]) -> dict[str, Sequence[str]]:
    """query id -> documents, of the queries that ask today what they asked then; the first evidence counts."""
    lists: dict[str, Sequence[str]] = {}
    for one in reversed(found):
        for query, documents in one.documents.items():
            text = golden.queries.get(query)
            if text is not None and one.texts.get(query) in (None, text_hash(text)):
                lists[query] = documents
    return lists


def _blind(living: ResolvedSet, mine: Ranked, theirs: Ranked) -> set[str]:
    """Questions all of whose answers vanished, so that the release was not asked them: it finds no answer to them."""
    of_vanished = {one.query for one in living.vanished}
    return {query for query in of_vanished & living.qrels.keys() & theirs.keys() if query not in mine}


def _could_meet(living: ResolvedSet, earlier: Earlier) -> frozenset[Judgment]:
    """What does not resolve any more and the earlier release could meet: it held the document; of a passage, its evidence on
    this very golden set did not miss it."""
    of_set = [one.golden_sets[living.golden.name] for one in earlier.evidence if living.golden.name in one.golden_sets]
    same = [one for one in of_set if one.fingerprint == living.golden.fingerprint][:1]
    missed = {gone.judgment for one in same for gone in one.unresolved}
    return frozenset(
        one.judgment
        for one in living.unresolved
        if one.document in earlier.documents and (not one.passage or (same and one.judgment not in missed))
    )
