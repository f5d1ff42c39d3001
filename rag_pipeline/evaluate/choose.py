"""How a release retrieves, where no setting says: the way that the golden sets find best.

This module chooses and builds nothing: the caller that builds (`defs/candidate.py`) hands in a release to be measured. The
choice is made once for each model, way to cut and state of the golden sets, and kept in one small file; a change of any of
them makes it anew. A release that retrieves another way has another fingerprint, so the gate judges the switch.
"""

import logging
import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from rag_pipeline.corpus.model import Model
from rag_pipeline.evaluate.bench import Bench
from rag_pipeline.evaluate.evidence import average
from rag_pipeline.evaluate.measure import Measured
from rag_pipeline.files import fingerprint, write_json
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.golden.resolve import ResolvedSet, corpus_for, resolve
from rag_pipeline.home import Home
from rag_pipeline.index.build import Recipe
from rag_pipeline.index.manifest import Manifest, RetrievalParameters
from rag_pipeline.records import Record

log = logging.getLogger("rag_pipeline")

_ENOUGH = 50
"""Living queries below which a difference between ways to retrieve is noise, and the release stays dense."""
_WEIGHTS = (0.5, 0.3, 0.7)
"""Shares of meaning that are tried in the fusion."""


class Choice(Record):
    """What was chosen, from which figures."""

    made_for: str
    """Fingerprint of model, way to cut, golden sets and lexical settings."""
    retrieval: RetrievalParameters
    figures: dict[str, float]
    """way to retrieve -> mean over golden sets of their primary metric"""
    release: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Best:
    """The way that was found best, and the figures of every way that was tried."""

    retrieval: RetrievalParameters
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Chooser:
    """Asks the golden sets that people judged how the release of a recipe retrieves best."""

    home: Home
    recipe: Recipe
    """The recipe as it is without a choice."""
    golden_sets: tuple[GoldenSet, ...]
    model: Model

    @property
    def judged(self) -> tuple[GoldenSet, ...]:
        """The golden sets that are asked: those whose judgments people made."""
        return tuple(golden for golden in self.golden_sets if golden.about.made_by != "machine")

    @property
    def made_for(self) -> str:
        """What a choice is good for, as a fingerprint: it stands until one of these changes."""
        return fingerprint(
            self.recipe.model.fingerprint,
            self.recipe.chunker,
            self.recipe.retrieval.model_dump(mode="json"),
            {golden.name: golden.judged_fingerprint for golden in self.judged},
            *([{source: cut.chunker for source, cut in self.recipe.cut.items()}] if self.recipe.cut else []),
        )

    def standing(self) -> RetrievalParameters | None:
        """The choice made before, if it still stands; None: a release must be measured."""
        choice = _last(self.home)
        return choice.retrieval if choice and choice.made_for == self.made_for else None

    def best_retrieval(self, release: Manifest) -> Best | None:
        """Measure every way to retrieve on a release of the recipe; None when too few living queries could tell them apart.

        Raises `ReleaseError` when the release cannot be opened.
        """
        judged = self.judged
        corpus = corpus_for(self.home, list(self.recipe.sources), judged)
        living = [resolve(golden, corpus) for golden in judged]
        if sum(len(one.qrels) for one in living) < _ENOUGH:
            return None
        with ExitStack() as stack:
            bench = Bench.open(stack, self.home, release.id, self.model, all_modes=True)
            measured = figures(bench, living, self.recipe.retrieval)
        scores = {way: [_primary(one) for one in sets.values()] for way, sets in measured.items()}
        values = {way: _mean([average(one) for one in sets]) for way, sets in scores.items()}
        tried = ways(self.recipe.retrieval)
        best = best_way(scores, tried)
        log.info("golden sets choose %s: %s", best, ", ".join(f"{way} {value:.4f}" for way, value in values.items()))
        return Best(tried[best], values)

    def keep(self, best: Best, release: Manifest, now: datetime) -> None:
        """Write the choice down, with the release that was built by it, for the nights to come."""
        choice = Choice(made_for=self.made_for, retrieval=best.retrieval, figures=best.figures, release=release.id, at=now)
        write_json(self.home.chosen_retrieval, choice.model_dump(mode="json"))


def ways(asked: RetrievalParameters) -> dict[str, RetrievalParameters]:
    """Every way that is tried, the simplest first: of equals the first is taken."""
    plain = {
        "dense": asked.model_copy(update={"mode": "dense"}),
        "lexical": asked.model_copy(update={"mode": "lexical"}),
    }
    return plain | {
        f"hybrid {weight:g}": asked.model_copy(update={"mode": "hybrid", "dense_weight": weight}) for weight in _WEIGHTS
    }


def figures(bench: Bench, living: Sequence[ResolvedSet], asked: RetrievalParameters) -> dict[str, dict[str, Measured]]:
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
    """The standard error of the difference between two ways' means of the sets' means, query by query."""
    variances = []
    for mine, theirs in zip(one, other, strict=True):
        differences = [a - b for a, b in zip(mine, theirs, strict=True)]
        variances.append(statistics.variance(differences) / len(differences) if len(differences) > 1 else 0.0)
    return math.sqrt(math.fsum(variances)) / len(variances)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _primary(measured: Measured) -> list[float]:
    [values] = measured.per_query.values()
    return list(values.values())


def _last(home: Home) -> Choice | None:
    """The last choice; None when there is none, or its file is damaged: then it is made again."""
    try:
        return Choice.model_validate_json(home.chosen_retrieval.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
