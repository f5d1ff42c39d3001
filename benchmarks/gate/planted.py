"""Losses and gains planted in lists: what no change of an index gives so purely, at exactly the size that is wanted."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate.library import NONE, Answers
from rag_pipeline.metrics.documents import score

Rows = NDArray[np.int64]
Right = list[set[int]]
"""Of each question the documents that answer it; an empty set where nobody knows."""
Change = Callable[[Answers, Right, Rows], Answers]


def gains(answers: Answers, right: Right) -> NDArray[np.float64]:
    """nDCG@10 of every question, each right document counting the same; computed by the product."""
    qrels = {str(row): {str(one): 1 for one in wanted} for row, wanted in enumerate(right) if wanted}
    lists = {row: [str(one) for one in answers[int(row)] if one != NONE] for row in qrels}
    found = score(["nDCG@10"], qrels, lists)["nDCG@10"]
    return np.array([found.get(str(row), 0.0) for row in range(len(answers))])


def first_right(answers: Answers, right: Right) -> Rows:
    """At which place the first right document stands, from 0; -1 where none does."""
    found = (
        next((place for place, one in enumerate(row) if one in wanted), -1)
        for row, wanted in zip(answers.tolist(), right, strict=True)
    )
    return np.fromiter(found, dtype=np.int64, count=len(answers))


def lost(answers: Answers, right: Right, rows: Rows) -> Answers:
    """The right documents are gone; what stood behind them moves up."""
    changed = answers.copy()
    for row in rows:
        left = [one for one in answers[row] if one not in right[row]]
        changed[row] = left + [NONE] * (answers.shape[1] - len(left))
    return changed


def lower(answers: Answers, right: Right, rows: Rows) -> Answers:
    """The first right document stands one place further down."""
    return _moved(answers, right, rows, lambda place: place + 1)


def higher(answers: Answers, right: Right, rows: Rows) -> Answers:
    """The first right document stands one place further up."""
    return _moved(answers, right, rows, lambda place: place - 1)


def first(answers: Answers, right: Right, rows: Rows) -> Answers:
    """The first right document stands at the top."""
    return _moved(answers, right, rows, lambda place: 0)


def _moved(answers: Answers, right: Right, rows: Rows, to: Callable[[int], int]) -> Answers:
    changed, places = answers.copy(), first_right(answers, right)
    for row in rows:
        place, wanted = int(places[row]), to(int(places[row]))
        if place >= 0 and 0 <= wanted < answers.shape[1] and (wanted <= place or answers[row, wanted] != NONE):
            documents = list(answers[row])
            documents.insert(wanted, documents.pop(place))
            changed[row] = documents
    return changed


def at(answers: Answers, right: Right, places: range) -> Rows:
    """Questions whose first right document stands at one of these places, from 0."""
    return np.flatnonzero(np.isin(first_right(answers, right), list(places)))


def share_of(rows: Rows, share: float, judged: int, everything: int, generator: np.random.Generator) -> Rows:
    """Some questions, drawn at random: as many as are a share of all judged ones, and of all made ones; all where there are
    fewer."""
    parts = ((rows[rows < judged], judged), (rows[rows >= judged], everything - judged))
    return np.sort(np.concatenate([generator.permutation(part)[: round(share * size)] for part, size in parts]))


def until(base: Answers, bad: Answers, right: Right, judged: int, loss: float, generator: np.random.Generator) -> Answers:
    """The bad answers for as many judged questions, drawn at random, as bring their mean loss just to `loss`, and for the
    same share of the made ones; where all of them do not, for questions that lose."""
    drop = gains(base, right) - gains(bad, right)
    rows = np.arange(len(base)) if drop[:judged].mean() > 1.5 * loss else np.flatnonzero(drop > 0)
    order, made = generator.permutation(rows[rows < judged]), generator.permutation(rows[rows >= judged])
    reached = np.flatnonzero(np.cumsum(drop[order]) >= loss * judged - 1e-9)
    number = int(reached[0]) + 1 if len(reached) else len(order)
    taken = np.concatenate([order[:number], made[: round(len(made) * number / max(1, len(order)))]])
    mixed = base.copy()
    mixed[taken] = bad[taken]
    return mixed


def slice_rows(documents: Mapping[int, list[int]], total: int, share: float) -> Rows:
    """Questions about as many documents, in their order, as make a share of all. `documents`: of each, who asks."""
    rows: list[int] = []
    for document in sorted(documents):
        if len(set(rows)) < share * total:
            rows += documents[document]
    return np.array(sorted(set(rows)), dtype=np.int64)
