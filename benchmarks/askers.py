"""Made askers whose relevance is known: what a judged sample of their questions, and their thumbs, say of the truth.

A world has questions of which few are asked often and most once, documents with known grades, and three ways to retrieve
that are each wrong in their own way. What is drawn, judged and counted goes through the pipeline's own functions.
"""

from dataclasses import dataclass

import numpy as np

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.evaluate.compare import seen_bounds
from rag_pipeline.metrics.documents import score
from rag_pipeline.traffic.strata import SIZES_OF_A_DRAW, Draw, Served, draw, order

METRIC, DEPTH, DOCUMENTS, QUESTIONS, EVENTS = "nDCG@10", 10, 400, 600, 4_000
_UNANSWERABLE = 0.08
"""Share of questions that no document answers."""
_WAYS = 3
_THUMBS_UP, _THUMBS_DOWN = 0.03, 0.15
"""How often somebody says so who was helped, and who was not: those who were not say it more often."""

Ranking = list[str]


@dataclass(frozen=True, slots=True)
class World:
    """`relevant`: question -> document -> grade; `rankings`: question -> each way's, the first of which serves."""

    relevant: dict[str, dict[str, int]]
    rankings: dict[str, list[Ranking]]
    events: list[Served]
    truth: float
    """Mean of the metric over every question that was asked and has an answer, had people judged all of them as they judge
    the sample: what a sample can tell."""
    complete: float
    """The same from complete relevance, which nobody has: documents that no way found first count too."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its 95 % interval, and of how many questions."""

    mean: float
    lower: float
    upper: float
    questions: int

    def holds(self, truth: float) -> bool:
        return self.lower <= truth <= self.upper


def world(seed: int) -> World:
    """A world of its own for each seed."""
    chance = np.random.default_rng(seed)
    relevant: dict[str, dict[str, int]] = {}
    rankings: dict[str, list[Ranking]] = {}
    for number in range(QUESTIONS):
        text = f"question {seed} {number}"
        graded = np.zeros(DOCUMENTS, dtype=np.int64)
        if chance.random() >= _UNANSWERABLE:
            some = chance.choice(DOCUMENTS, size=chance.integers(1, 5), replace=False)
            graded[some] = chance.integers(1, 3, size=len(some))
        relevant[text] = {f"d{place}": int(grade) for place, grade in enumerate(graded) if grade}
        signal = chance.gamma(2.0, 1.3)  # some questions are easy for every way, some for none
        rankings[text] = []
        for _ in range(_WAYS):
            found = signal * graded + chance.normal(size=DOCUMENTS)
            rankings[text].append([f"d{place}" for place in np.argsort(-found)[:DEPTH]])
    share = 1 / np.arange(1, QUESTIONS + 1) ** 0.8
    asked = chance.choice(QUESTIONS, size=EVENTS, p=chance.permutation(share) / share.sum())
    events = []
    for number, question in enumerate(asked):
        query_id = f"q_{number:012x}{chance.integers(2**63):016x}{0:012x}"
        events.append(Served(query_id, f"question {seed} {question}", "2026-11-30", ("r", "dense"), 0.5))
    judged = _values({text: pooled(relevant[text], found) for text, found in rankings.items()}, rankings)
    exact = _values(relevant, rankings)
    means = [float(np.mean([values[one.text] for one in events if one.text in values])) for values in (judged, exact)]
    return World(relevant, rankings, events, *means)


def pooled(relevant: dict[str, int], rankings: list[Ranking]) -> dict[str, int]:
    """What people judge for a question, the first documents of every way; nothing where none of it is relevant."""
    found = {document: relevant.get(document, 0) for document in sorted({one for ranking in rankings for one in ranking})}
    return found if any(found.values()) else {}


def judged(one: World, drawn: Draw | None = None) -> Estimate:
    """People judge all that the three ways found first, for a uniform sample; the set is what the pipeline makes of it."""
    drawn = drawn or draw(one.events, {}, SIZES_OF_A_DRAW)
    values = _values(
        {line.text: pooled(one.relevant[line.text], one.rankings[line.text]) for line in drawn.lines}, one.rankings
    )
    events = [
        values[line.text]
        for line in drawn.lines
        for event in line.events
        if line.text in values and order(event) <= drawn.until
    ]
    return _estimate(events)


def thumbs(one: World, seed: int) -> Estimate:
    """The same from thumbs alone: the first relevant document is what a thumb up means, none what a thumb down does."""
    chance, events = np.random.default_rng(seed), []
    for event in one.events:
        shown = one.rankings[event.text][0]
        first = next((document for document in shown[:3] if document in one.relevant[event.text]), None)
        if chance.random() < (_THUMBS_DOWN if first is None else _THUMBS_UP):
            said = {first: 1} if first else {}
            events.append(_values({event.text: said}, one.rankings)[event.text] if said else 0.0)
    return _estimate(events)


def _values(relevant: dict[str, dict[str, int]], rankings: dict[str, list[Ranking]]) -> dict[str, float]:
    qrels = {text: found for text, found in relevant.items() if found}
    run = {text: rankings[text][0] for text in qrels}
    return score([METRIC], qrels, run)[METRIC] if qrels else {}


def _estimate(values: list[float]) -> Estimate:
    lower, upper = seen_bounds(values, confidence=0.975)
    return Estimate(float(np.mean(values)), lower, upper, len(values))


def topic_vectors(
    seed: int, count: int, *, run: int = 0, new_share: float = 0.0, topics: int = 30, size: int = 384
) -> Vectors:
    """Unit vectors of questions about made topics, a few asked often; `new_share` of them about a topic that is new."""
    chance, topics, size = np.random.default_rng(seed), 30, 384
    centers = chance.normal(size=(topics + 1, size))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    share = 1 / np.arange(1, topics + 1)
    draws = np.random.default_rng([seed, run])
    chosen = draws.choice(topics, size=count, p=share / share.sum())
    chosen[draws.random(count) < new_share] = topics
    rows = centers[chosen] + draws.normal(size=(count, size)) * 0.6 / np.sqrt(size)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
