"""Are the weights of sentences and the rule of refusal as good as they look? Chosen on one part, measured on another.

Run it from the checkout, after `benchmarks.answers --keep FOLDER`: `.venv/bin/python -m benchmarks.answer_choices --keep
FOLDER` (some minutes; nothing is embedded but questions). Weights are chosen among 60 combinations. Refusal is tried with
more than the one number that bounds are on: a regression that tells answerable questions from those whose judged passages
are hidden.
"""

import argparse
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from benchmarks.answers import built
from rag_pipeline.answer import select as choosing
from rag_pipeline.answer.bounds import REFUSED_AT_MOST
from rag_pipeline.answer.retrieve import retrieved
from rag_pipeline.answer.select import AROUND, PASSAGES, Retrieved, select
from rag_pipeline.answer.terms import Rarity, terms
from rag_pipeline.evaluate.answers import Answered, measure_answers
from rag_pipeline.evaluate.judged_quotes import is_right
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.home import Home
from rag_pipeline.index.retrieve import Query, open_release
from rag_pipeline.process import prepare
from tests.support.small_releases import real_model

GRID = list(itertools.product((0.0, 0.1, 0.2, 0.3, 0.5), (0.25, 0.5, 0.75, 1.0), (0.2, 0.4, 0.6)))
"""What the words beside a sentence, the cosine of its passage, and words that were said already count."""

DRAWS = 40
_NAMED = re.compile(r"(?<![.!?]\s)(?<!\A)\b[A-Z][\w'’-]*|\d[\d.,]*")

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """One question: what it retrieves, and what it does without the chunks that hold its judged passages."""

    known: Answered
    there: Retrieved
    hidden: Retrieved | None


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, required=True, help="the folder that benchmarks.answers built in")
    root: Path = parser.parse_args().keep
    language, asked = questions(Home(root / "dense"), root / "evals")
    usable = [one for one in asked if one.known.answerable and one.known.found]
    weights(usable, language)
    refusals(usable, [one for one in asked if not one.known.answerable], language)


def questions(home: Home, evals: Path) -> tuple[str, list[Asked]]:
    release, model, found = built(home, "dense"), real_model(), list[Asked]()
    [measured] = measure_answers(home, release, model, [read_golden_set(evals / "chunking")], evals).sets
    encoder = model.load()
    with open_release(home, release) as opened:
        documents = {document for one in measured.answers for document, _, _ in one.wanted}
        chunks = {document: opened.read(*opened.chunks_of({document})) for document in documents}
        for one in measured.answers:
            query = Query(one.text, encoder.queries([one.text])[0])
            gone = frozenset(
                hit.chunk_id
                for document, start, end in one.wanted
                for hit in chunks[document]
                if min(end, hit.end) > max(start, hit.start)
            )
            without = opened.without(gone)
            hidden = retrieved(without, query, without.search(query, AROUND), PASSAGES) if gone else None
            found.append(Asked(one, retrieved(opened, query, opened.search(query, AROUND), PASSAGES), hidden))
        return opened.manifest.lexical.language, found


def weights(usable: list[Asked], language: str) -> None:
    """Share of questions with a right sentence among three, of weights that were chosen elsewhere."""
    right = np.array([_right(usable, language, each) for each in GRID])
    corpus = np.array([one.known.wanted[0][0] for one in usable])
    halves = [right[_best(right, ours), ~ours].mean() for ours in _halves(len(usable), DRAWS)]
    print(
        f"weights as they are: {right[GRID.index((0.2, 0.5, 0.4))].mean():.4f}; best of all here: {right.mean(1).max():.4f}"
    )
    print(f"chosen on one half, measured on the other: {np.mean(halves):.4f} (between draws {np.std(halves):.4f})")
    left_out = sum(right[_best(right, corpus != name), corpus == name].sum() for name in set(corpus))
    print(f"chosen on four documents, measured on the fifth: {left_out / len(usable):.4f}")


def _right(usable: list[Asked], language: str, weight: tuple[float, float, float]) -> list[bool]:
    choosing._NEIGHBORS, choosing._MEANING, choosing._AGAIN = weight
    found = [select(one.known.text, one.there, language) for one in usable]
    choosing._NEIGHBORS, choosing._MEANING, choosing._AGAIN = 0.2, 0.5, 0.4
    return [
        any(is_right(place, one.known.wanted, one.known.said) for each in said.sentences for place in each.citations)
        for one, said in zip(usable, found, strict=True)
    ]


def _best(right: Booleans, places: Booleans) -> int:
    return int(right[:, places].mean(1).argmax())


def _halves(count: int, draws: int) -> list[Booleans]:
    """Each draw both ways."""
    dice, found = np.random.default_rng(1), list[Booleans]()
    for _ in range(draws):
        half = np.zeros(count, dtype=bool)
        half[dice.permutation(count)[: count // 2]] = True
        found += [half, ~half]
    return found


FEATURES = ("meaning", "words", "cosine", "best sentence", "all passages", "one passage", "ahead of others", "names missing")


def features(question: str, found: Retrieved, language: str) -> Floats:
    """Numbers that may tell whether there is an answer, in the order of `FEATURES`."""
    selected, asked = select(question, found, language), terms(question, language)
    said = [[words & asked for _, words in choosing._spoken(one.text, language)] for one in found.passages]
    others = [words & asked for text in found.others for _, words in choosing._spoken(text, language)]
    rarity = Rarity(asked, [*(words for each in said for words in each), *others])
    whole = [frozenset[str]().union(*each) for each in said]
    every = frozenset[str]().union(*whole)
    cosines = found.cosines or {}
    nearest = max((cosines.get(one.chunk_id, 0.0) for one in found.passages), default=0.0)
    named = [terms(name, language) for name in _NAMED.findall(question)]
    numbers = (
        selected.meaning or 0.0,
        selected.words,
        nearest,
        max((rarity.share(words) for each in said for words in each), default=0.0),
        rarity.share(every),
        max((rarity.share(words) for words in whole), default=0.0),
        nearest - float(np.mean(sorted(cosines.values())[-AROUND:])),
        -float(sum(not name <= every for name in named)),
    )
    return np.array(numbers)


def refusals(usable: list[Asked], foreign: list[Asked], language: str) -> None:
    """Shares that are refused when the bound refuses 8 % of the answerable questions of the other half."""
    there = np.array([features(one.known.text, one.there, language) for one in usable])
    hidden = np.array([features(one.known.text, one.hidden, language) for one in usable if one.hidden])
    others = np.array([features(one.known.text, one.there, language) for one in foreign])
    tried = (("meaning",), ("meaning", "all passages"), ("meaning", "ahead of others"), ("meaning", "names missing"))
    for names in (*tried, ("meaning", "best sentence", "ahead of others"), FEATURES):
        places = [FEATURES.index(name) for name in names]
        shares = [
            _refused(there[:, places], hidden[:, places], others[:, places], ours) for ours in _halves(len(there), DRAWS)
        ]
        answerable, unseen, unrelated = np.mean(shares, axis=0)
        print(
            f"{', '.join(names)}: refused of answerable {answerable:.3f}, of hidden {unseen:.3f}, of foreign {unrelated:.3f}"
        )


def _refused(there: Floats, hidden: Floats, others: Floats, ours: Booleans) -> tuple[float, float, float]:
    """Shares that are refused: of the other half of the answerable, of the other half of the hidden, of the foreign."""
    direction, middle, width = np.array([1.0]), there[ours].mean(0), there[ours].std(0) + 1e-9
    if there.shape[1] > 1:
        rows = (np.vstack([there[ours], hidden[ours]]) - middle) / width
        known = [1] * int(ours.sum()) + [0] * int(ours.sum())
        direction = LogisticRegression(class_weight="balanced").fit(rows, known).coef_[0]
    scores = [((rows - middle) / width) @ direction for rows in (there[ours], there[~ours], hidden[~ours], others)]
    bound = np.sort(scores[0])[int(REFUSED_AT_MOST * len(scores[0]))]
    answerable, unseen, unrelated = (float((one < bound).mean()) for one in scores[1:])
    return answerable, unseen, unrelated


if __name__ == "__main__":
    main()
