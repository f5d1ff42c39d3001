"""How a release retrieves, where nobody has said: the way its golden sets find best.

The choice is made once for a model, a way to cut and the golden sets as they are, and kept in one small file; a change
of any of them makes it anew. A release that retrieves another way has another fingerprint, so the gate judges the switch.
"""

import logging
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rag_pipeline.corpus.model import Model
from rag_pipeline.evaluate.alive import Alive, alive, corpus_for
from rag_pipeline.evaluate.bench import Bench
from rag_pipeline.evaluate.evidence import average
from rag_pipeline.evaluate.golden import GoldenSet
from rag_pipeline.evaluate.measure import Measured
from rag_pipeline.files import fingerprint, write_json
from rag_pipeline.index.build import Built, Recipe, build_release, discard_release
from rag_pipeline.index.manifest import RetrievalParameters

log = logging.getLogger("rag_pipeline")

FILE = "retrieval.json"
_ENOUGH = 50
"""Living queries below which a difference between ways to retrieve is noise, and the release stays dense."""
_WEIGHTS = (0.5, 0.3, 0.7)
"""Shares of meaning that are tried in the fusion."""


class Choice(BaseModel):
    """What was chosen, from which figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_for: str
    """Fingerprint of model, way to cut, golden sets and lexical settings."""
    retrieval: RetrievalParameters
    figures: dict[str, float]
    """way to retrieve -> mean over golden sets of their primary metric"""
    release: str
    at: datetime


def ways(asked: RetrievalParameters) -> dict[str, RetrievalParameters]:
    """Every way that is tried, the simplest first: of equals the first is taken."""
    plain = {
        "dense": asked.model_copy(update={"mode": "dense"}),
        "lexical": asked.model_copy(update={"mode": "lexical"}),
    }
    return plain | {
        f"hybrid {weight:g}": asked.model_copy(update={"mode": "hybrid", "dense_weight": weight}) for weight in _WEIGHTS
    }


def figures(bench: Bench, living: Sequence[Alive], asked: RetrievalParameters) -> dict[str, dict[str, Measured]]:
    """way to retrieve -> golden set -> what it gives; the lists are asked for once and fused for each weight."""
    found: dict[str, dict[str, Measured]] = {}
    for one in living:
        metrics = [one.golden.about.primary]
        rankings = bench.rankings(one, metrics)
        for name, way in ways(asked).items():
            found.setdefault(name, {})[one.golden.name] = bench.score(one, rankings, way, metrics)
    return found


def best_way(values: dict[str, float]) -> str:
    """The name of the highest figure; of equal ones the first."""
    return max(values, key=lambda name: (round(values[name], 6), -list(values).index(name)))


def build_as_golden_sets_say(
    home: Path, recipe: Recipe, golden_sets: tuple[GoldenSet, ...], model: Model, *, run_id: str, now: datetime
) -> Built:
    """Build the release of `recipe`, retrieving as the golden sets find best. Raises as `build_release` does."""
    judged = tuple(golden for golden in golden_sets if golden.about.made_by == "people")
    made_for = fingerprint(
        recipe.model.fingerprint,
        recipe.chunker,
        recipe.retrieval.model_dump(mode="json"),
        {golden.name: golden.fingerprint for golden in judged},
    )
    standing = _standing(home)
    if standing and standing.made_for == made_for:
        return build_release(home, replace(recipe, retrieval=standing.retrieval), run_id=run_id, now=now)
    first = build_release(home, recipe, run_id=run_id, now=now)
    corpus = corpus_for(home, list(recipe.sources), judged)
    living = [alive(golden, corpus) for golden in judged]
    if sum(len(one.qrels) for one in living) < _ENOUGH:
        return first
    with ExitStack() as stack:
        bench = Bench.open(stack, home, first.manifest.id, model, all_modes=True)
        measured = figures(bench, living, recipe.retrieval)
    values = {way: math.fsum(average(_primary(one)) for one in sets.values()) / len(sets) for way, sets in measured.items()}
    best = best_way(values)
    retrieval = ways(recipe.retrieval)[best]
    log.info("golden sets find %s best: %s", best, ", ".join(f"{way} {value:.4f}" for way, value in values.items()))
    chosen = replace(recipe, retrieval=retrieval)
    built = first if chosen == recipe else build_release(home, chosen, run_id=run_id, now=now)
    choice = Choice(made_for=made_for, retrieval=retrieval, figures=values, release=built.manifest.id, at=now)
    write_json(home / FILE, choice.model_dump(mode="json"))
    if first.new and first.manifest.id != built.manifest.id:
        discard_release(home, first.manifest)  # built to be measured; nothing points at it
    return built


def _primary(measured: Measured) -> list[float]:
    [values] = measured.per_query.values()
    return list(values.values())


def _standing(home: Path) -> Choice | None:
    """The last choice; None when there is none, or its file is damaged: then it is made again."""
    try:
        return Choice.model_validate_json((home / FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
