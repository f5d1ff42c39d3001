"""How often a change of real questions is seen: those of a collection in BEIR's form, each on an article.

An article plays a topic: it is new where it stands in no earlier question. Nothing is made up but who asked when.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag_pipeline.corpus.model import Vectors, model_of
from rag_pipeline.corpus.query_vectors import query_vectors
from rag_pipeline.home import Home
from rag_pipeline.settings import Settings
from rag_pipeline.traffic.drift import Shift, far, shift

WEEK, BEFORE, NEW_SHARE = 2_000, 4_000, 0.1
_GOLDEN = 200


@dataclass(frozen=True, slots=True)
class Questions:
    """Shape of `vectors`: (questions, dimensions). `article` has the number of each question's article."""

    vectors: Vectors
    article: "np.ndarray[tuple[int], np.dtype[np.int64]]"

    def drawn(self, chance: np.random.Generator, article: int) -> tuple[Vectors, Vectors, Vectors]:
        """The weeks before, a week like them, and one of which a tenth asks of `article`, which nobody asked of before."""
        others = chance.permutation(np.flatnonzero(self.article != article))
        mine = chance.permutation(np.flatnonzero(self.article == article))
        new = int(WEEK * NEW_SHARE)
        before, same = others[:BEFORE], others[BEFORE : BEFORE + WEEK]
        changed = np.concatenate([same[: WEEK - new], mine[:new]])
        return self.vectors[before], self.vectors[same], self.vectors[changed]


def read_questions(folder: Path, kept: Path) -> Questions:
    """Embed the questions of a collection, or find their vectors in `kept`."""
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    [judged] = (folder / "qrels").glob("*.tsv")
    qrels = judged.read_text(encoding="utf-8").splitlines()[1:]
    article = {query: document.split("#")[0] for query, document, _ in (line.split("\t") for line in qrels)}
    asked = [(one["text"], article[one["_id"]]) for one in queries if one["_id"] in article]
    numbers = {name: number for number, name in enumerate(sorted({name for _, name in asked}))}
    model = model_of(Settings())
    vectors = query_vectors(Home(kept), model.fingerprint, model.load, [text for text, _ in asked])
    return Questions(np.asarray(vectors), np.array([numbers[name] for _, name in asked]))


def told(questions: Questions, runs: range) -> str:
    """Shares over some runs, each with another new article, another draw, and other shuffles."""
    counts = Counter(questions.article.tolist())
    large = [number for number, count in sorted(counts.items()) if count >= WEEK * NEW_SHARE]
    flags: Counter[str] = Counter()
    aucs: list[float] = []
    for seed in runs:
        chance = np.random.default_rng(seed)
        before, same, changed = questions.drawn(chance, large[seed % len(large)])
        golden = before[:_GOLDEN]  # a sample of what is asked, judged
        half = questions.vectors[questions.article % 2 == 0][:_GOLDEN]  # of half of the topics alone
        flags["no change"] += _is(shift(same, before, seed=seed), lambda one: one.differs)
        found = shift(changed, before, seed=seed)
        flags["new topic"] += _is(found, lambda one: one.differs)
        aucs.append(found.auc if found else 0.5)
        flags["golden set of what is asked"] += _is(shift(same, golden, seed=seed), lambda one: one.unlike)
        flags["golden set of some topics"] += _is(shift(same, half, seed=seed), lambda one: one.unlike)
        flags["far of the new topic"] += int(far(changed[-int(WEEK * NEW_SHARE) :], before).mean() * 100)
    far_percent = flags.pop("far of the new topic") / len(runs)
    says = "; ".join(f"{name} {count / len(runs):.1%} ({count} of {len(runs)})" for name, count in flags.items())
    return f"runs {runs.start} to {runs.stop - 1}, {len(large)} topics: told {says}; AUC of a new topic at least " + (
        f"{min(aucs):.3f}, middle {np.median(aucs):.3f}; like no question before: {far_percent:.0f} % of the new topic"
    )


def _is(found: Shift | None, says: Callable[[Shift], bool]) -> bool:
    return found is not None and says(found)
