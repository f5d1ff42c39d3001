"""How a release retrieves, where nobody has said: the way its golden sets find best.

The choice is made once for a model, a way to cut and the golden sets as they are, and kept in one small file; a change
of any of them makes it anew. A release that retrieves another way has another fingerprint, so the gate judges the switch.
"""

import logging
import math
import statistics
from collections.abc import Mapping, Sequence
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


def best_way(scores: Mapping[str, Sequence[Sequence[float]]], tried: Mapping[str, RetrievalParameters]) -> str:
    """The name of the best way, given each one's scores: golden set by golden set, query by query, in the same order.

    The highest mean of the sets' means wins, of equals the first. Between weights of the fusion, those within one standard
    error of the best count as equal, and the one that gives meaning most wins: whoever judges has read the answer and asks
    in its words, so a judged question is kinder to words than a user's. (Rule of one standard error: Breiman et al. 1984.)
    """
    means = {name: _mean([average(list(one)) for one in sets]) for name, sets in scores.items()}
    best = max(means, key=lambda name: (round(means[name], 6), -list(means).index(name)))
    if tried[best].mode != "hybrid":
        return best
    weights = sorted(
        (name for name in means if tried[name].mode == "hybrid"), key=lambda name: tried[name].dense_weight, reverse=True
    )
    return next(name for name in weights if means[best] - means[name] <= _standard_error(scores[best], scores[name]))


def _standard_error(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> float:
    """Of the difference between two ways' means of the sets' means, query by query."""
    variances = []
    for mine, theirs in zip(one, other, strict=True):
        differences = [a - b for a, b in zip(mine, theirs, strict=True)]
        variances.append(statistics.variance(differences) / len(differences) if len(differences) > 1 else 0.0)
    return math.sqrt(math.fsum(variances)) / len(variances)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def build_as_golden_sets_say(
    home: Path, recipe: Recipe, golden_sets: tuple[GoldenSet, ...], model: Model, *, run_id: str, now: datetime
) -> Built:
    """Build the release of `recipe`, retrieving as the golden sets find best. Raises as `build_release` does."""
    judged = tuple(golden for golden in golden_sets if golden.about.made_by == "people")
    made_for = fingerprint(
        recipe.model.fingerprint,
        recipe.chunker,
        recipe.retrieval.model_dump(mode="json"),
        {golden.name: golden.judged_fingerprint for golden in judged},
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
    tried = ways(recipe.retrieval)
    scores = {way: [_primary(one) for one in sets.values()] for way, sets in measured.items()}
    values = {way: _mean([average(one) for one in sets]) for way, sets in scores.items()}
    best = best_way(scores, tried)
    retrieval = tried[best]
    log.info("golden sets choose %s: %s", best, ", ".join(f"{way} {value:.4f}" for way, value in values.items()))
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
