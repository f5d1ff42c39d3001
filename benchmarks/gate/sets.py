"""Golden sets drawn from a collection's questions, as evidence on one candidate, and what the gate says of each."""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate.batch import Quantiles, decided
from benchmarks.gate.candidates import Pair
from benchmarks.gate.library import NONE, Answers, Library
from benchmarks.gate.planted import Rows
from rag_pipeline.evaluate.condensed import condense, condensed, condensed_scores
from rag_pipeline.evaluate.evidence import JUDGED, Evidence, ProbesEvidence, SetEvidence
from rag_pipeline.evaluate.expected import PLACES, chances, worth
from rag_pipeline.evaluate.fallen import slipped
from rag_pipeline.evaluate.metrics_again import score_again
from rag_pipeline.gate.demands import golden_sets
from rag_pipeline.gate.policy import NotWorse, Policy
from rag_pipeline.gate.verdict import Reason
from rag_pipeline.golden.unresolved import Unresolved

METRICS = [*NotWorse().metrics, JUDGED]
PROBES = 200
Values = dict[str, NDArray[np.float64]]
Qrels = dict[str, dict[str, int]]
Lists = dict[str, list[str]]
Probes = Literal["none", "real", "made"]
"""Questions nobody judged: none, questions of the same people whose judgments are not looked at, or made by rule."""


@dataclass(frozen=True)
class Measured:
    """One pair on every judged question of its collection, scored by the product."""

    pair: Pair
    queries: list[str]
    qrels: Qrels
    vanished: dict[str, list[Unresolved]]
    """Judgments whose documents left the sources: they count as lost, so they are in `qrels` all the same."""
    judgments: dict[str, int]
    mine: Values
    theirs: Values
    condensed: Values
    slipped: frozenset[str]
    """Queries whose answer stands a place or two further back."""
    brought: list[list[str]]
    """What the candidate brings for each question, judged or not."""
    served: list[list[str]]
    """The same of what serves."""
    known: frozenset[str]
    """Documents that what serves could have."""
    places: Values
    """metric -> what moving each of production's first documents costs, shape (questions, PLACES), of all questions"""
    made: Rows
    """The questions that were made by rule, for probes alone."""

    @property
    def change(self) -> float:
        """What the candidate truly changes, in nDCG@10 over all questions that can be asked."""
        return float(np.mean((self.mine["nDCG@10"] - self.theirs["nDCG@10"])[self.pair.pool]))

    @property
    def score(self) -> float:
        return float(np.mean(self.theirs["nDCG@10"][self.pair.pool]))

    @property
    def lost(self) -> float:
        """Share of all questions that were answered and are not."""
        return float(np.mean((self.mine["hit@10"] < self.theirs["hit@10"])[self.pair.pool]))


def measured(library: Library, pair: Pair) -> Measured:
    queries, qrels = list(library.living.qrels), library.living.qrels
    vanished = {
        query: [Unresolved(query=query, document=one, status="dead") for one in of if one in pair.dead]
        for query, of in qrels.items()
    }
    mine, theirs = lists_of(library, pair.mine), lists_of(library, pair.theirs)
    known = frozenset(library.names) - pair.new

    def arrays(scores: dict[str, dict[str, float]]) -> Values:
        return {name: np.round([values[query] for query in queries], 6) for name, values in scores.items()}

    return Measured(
        pair,
        queries,
        qrels,
        vanished,
        {query: len(of) for query, of in qrels.items()},
        arrays(score_again(METRICS, qrels, mine)),
        arrays(score_again(METRICS, qrels, theirs)),
        arrays(condensed_scores(METRICS, qrels, mine, known)),
        frozenset(slipped(qrels, condensed(mine, known), theirs)),
        list(mine.values()),
        list(theirs.values()),
        known,
        {metric: _costs(metric, theirs, mine, known) for metric in NotWorse().metrics},
        np.array([row for row, one in enumerate(library.asked) if library.made_from.get(one, "") not in {"", *pair.new}]),
    )


def _costs(metric: str, theirs: Lists, mine: Lists, known: frozenset[str]) -> NDArray[np.float64]:
    """As `expected_loss` of the product, before it is weighed by the chances of each place: those alone are others for each
    golden set."""
    costs = np.zeros((len(theirs), PLACES))
    for row, (query, documents) in enumerate(theirs.items()):
        now = {document: place for place, document in enumerate(condense(mine[query], known), start=1)}
        for place, document in enumerate(documents[:PLACES], start=1):
            costs[row, place - 1] = worth(metric, place) - (worth(metric, now[document]) if document in now else 0.0)
    return costs


def lists_of(library: Library, answers: Answers) -> dict[str, list[str]]:
    names = library.names
    return {
        query: [names[one] for one in row if one != NONE] for query, row in zip(library.asked, answers.tolist(), strict=True)
    }


def evidences(found: Measured, questions: int, number: int, kind: Probes, probes: int = PROBES) -> Iterator[Evidence]:
    """As many golden sets of so many questions. Questions and probes are drawn with replacement, each on its own: as from a
    collection without end, of which these questions are a picture."""
    seed = zlib.crc32(f"{found.pair.label} {questions}".encode())
    of_sets, of_probes = np.random.default_rng(seed), np.random.default_rng([seed, 1])  # the same sets, whatever the probes
    pools = {"none": found.pair.pool[:0], "real": found.pair.pool, "made": found.made}
    for _ in range(number):
        drawn = found.pair.pool[of_sets.integers(0, len(found.pair.pool), size=questions)]
        asked = pools[kind]
        if len(asked):
            asked = asked[of_probes.integers(0, len(asked), size=probes)]
        yield evidence_of(found, drawn, asked)


def evidence_of(found: Measured, drawn: Rows, probes: Rows) -> Evidence:
    """What is measured of one golden set, as the product would have it."""
    asked = [found.queries[row] for row in drawn]
    ids = [str(place) for place in range(len(drawn))]
    gone = [one for query in asked for one in found.vanished[query]]
    one = SetEvidence.model_construct(  # nothing is validated a hundred thousand times; `agree` validates some
        fingerprint="",
        primary="nDCG@10",
        query_ids=ids,
        judgments=sum(found.judgments[query] for query in asked),
        unresolved=gone,
        vanished=gone,
        values={name: values[drawn].tolist() for name, values in found.mine.items()},
        production={name: values[drawn].tolist() for name, values in found.theirs.items()},
        condensed={name: values[drawn].tolist() for name, values in found.condensed.items()},
        slipped=[one for one, query in zip(ids, asked, strict=True) if query in found.slipped],
        probes=_probed(found, dict(zip(ids, drawn, strict=True)), probes) if len(probes) else None,
    )
    return Evidence.model_construct(golden_sets={"set": one}, compared_with="production", latency=[])  # type: ignore[call-arg]  # what the gate does not look at


def _probed(found: Measured, judged: dict[str, int], probes: Rows) -> ProbesEvidence:
    """As `probes_evidence` of the product, which takes a hundred times as long."""
    queries = {name: found.queries[row] for name, row in judged.items()}
    likely = chances(
        {name: found.qrels[query] for name, query in queries.items()},
        {name: found.served[row] for name, row in judged.items()},
    )
    weights = np.array(likely.by_place)
    return ProbesEvidence.model_construct(
        ids=[f"p{place}" for place in range(len(probes))],
        chances=list(likely.by_place),
        losses={
            metric: np.round(np.maximum(0.0, costs[probes] @ weights), 6).tolist() for metric, costs in found.places.items()
        },
    )


def said_of(evidences: Sequence[Evidence], policy: Policy, quantiles: Quantiles) -> list[str]:
    """What the gate says of each golden set."""
    found = decided(evidences, lambda one: golden_sets(one, policy, "production").reasons, quantiles)
    return [_outcome(reasons) for reasons in found]


def _outcome(reasons: Sequence[Reason]) -> str:
    order = ("could not be evaluated", "regressed", "inconclusive")
    return next((one for one in order if any(reason.outcome == one for reason in reasons)), "passed")


def counted(
    found: Measured, questions: int, number: int, policy: Policy, probes: int = PROBES
) -> dict[Probes, Counter[str]]:
    """How often the gate says what, by kind of probes."""
    quantiles = Quantiles()
    kinds: tuple[Probes, ...] = ("none", "real", "made") if len(found.made) else ("none", "real")
    return {
        kind: Counter(said_of(list(evidences(found, questions, number, kind, probes)), policy, quantiles)) for kind in kinds
    }
